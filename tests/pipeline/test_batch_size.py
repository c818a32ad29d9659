"""A step of the purge lasts about as long as recording a call, on whatever disk."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.pipeline.batch_size import STEP_SECONDS, BatchSize


def test_it_begins_with_the_least() -> None:
    assert BatchSize(500, 5_000).amount == 500


def test_quick_steps_take_on_more_and_slow_ones_less() -> None:
    batch_size = BatchSize(500, 5_000)
    amounts = []
    for share in (0.1, 0.1, 0.1, 0.1, 0.7, 1.5, 30, 0.7, 30, 30):
        batch_size.lasted(share * STEP_SECONDS)
        amounts.append(batch_size.amount)
    assert amounts == [1_000, 2_000, 4_000, 5_000, 5_000, 2_500, 1_250, 1_250, 625, 500]


@given(st.lists(st.floats(0, 100), max_size=50))
def test_it_stays_within_its_bounds_however_long_steps_last(lengths: list[float]) -> None:
    batch_size = BatchSize(100, 1_000)
    for seconds in lengths:
        batch_size.lasted(seconds)
        assert 100 <= batch_size.amount <= 1_000

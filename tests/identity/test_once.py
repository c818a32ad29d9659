"""What counts once is remembered for a while, and only so much of it."""

from datetime import timedelta

from telemetry_service.identity.once import Once
from tests.support.frozen_clock import FrozenClock


def test_what_was_used_is_remembered_for_a_while_even_if_the_clock_is_set_back() -> None:
    once, clock = Once(timedelta(minutes=10)), FrozenClock()
    assert once.take(b"one", clock.now())
    clock.advance(timedelta(minutes=-5))
    assert not once.take(b"one", clock.now())
    clock.advance(timedelta(minutes=15))
    assert once.take(b"another", clock.now())
    assert once.take(b"one", clock.now())


def test_strangers_do_not_fill_the_memory() -> None:
    once, clock = Once(timedelta(minutes=10), most=3), FrozenClock()
    assert all(once.take(bytes([number]), clock.now()) for number in range(4))
    assert [once.take(bytes([number]), clock.now()) for number in (3, 2, 1)] == [False] * 3
    assert once.take(bytes([0]), clock.now())

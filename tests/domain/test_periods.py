"""The figures of a period (behaviour, 4)."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.facts import Environment
from telemetry_service.domain.periods import BouncerCount, PeriodCounts, add_up

numbers = st.integers(0, 1_000)
rows = st.lists(
    st.builds(
        BouncerCount,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(Environment),
        numbers,
        numbers,
        numbers,
    )
)


def row(bouncer: str, environment: Environment, events: int, decisions: int, successful: int = 0) -> BouncerCount:
    return BouncerCount(bouncer, environment, events, decisions, successful)


def test_nothing_adds_up_to_nothing() -> None:
    assert add_up(()) == PeriodCounts(0, 0, 0, 0, 0, 0)


def test_a_bouncer_counts_with_any_event_or_decision_and_is_active_with_a_decision() -> None:
    counts = add_up(
        (
            row("events only", Environment.SANDBOX, 5, 0),
            row("decisions only", Environment.PRODUCTION, 0, 3, 2),
            row("both", Environment.PRODUCTION, 1, 1, 1),
            row("silent", Environment.PRODUCTION, 0, 0),
        )
    )
    assert (counts.bouncer_count, counts.active_reporting_bouncer_count) == (3, 2)


def test_one_bouncer_in_both_environments_is_one_bouncer() -> None:
    counts = add_up((row("one", Environment.SANDBOX, 5, 1), row("one", Environment.PRODUCTION, 7, 1)))
    assert counts == PeriodCounts(1, 1, 2, 0, 5, 7)
    assert counts.total_events == 12


@given(rows)
def test_sandbox_and_production_are_all_events(counted: list[BouncerCount]) -> None:
    counts = add_up(tuple(counted))
    assert counts.sandbox_events + counts.production_events == counts.total_events
    assert counts.total_events == sum(r.audit_events for r in counted)
    assert counts.active_reporting_bouncer_count <= counts.bouncer_count <= 3

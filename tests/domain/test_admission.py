"""Which calls of usage the open period has room for: each is taken as a whole, or refused as a whole."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.admission import Admission, fits, plus, sums_of, traffic_of
from telemetry_service.domain.errors import PeriodFullError, TooManyBouncersError, UsageRefusedError
from telemetry_service.domain.facts import RecordingResult, UsageReport
from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.domain.periods import PeriodSums
from tests.support.site import usage

MOST = 3
ROOM = 100
FULL = PeriodSums(MAX_INTEGER - ROOM, MAX_INTEGER - ROOM, 1)
KNOWN = "bouncer-0"

counts = st.integers(0, ROOM)
reports = st.builds(
    lambda number, events, decisions, bouncer: usage(
        events, decisions, bouncer=f"bouncer-{bouncer}", report_id=UUID(int=number)
    ),
    st.integers(0, 20),
    counts,
    counts,
    st.integers(0, 4),
)
calls = st.lists(st.lists(reports, min_size=1, max_size=5), max_size=6)


def admission(known_ids: Sequence[int] = ()) -> Admission:
    return Admission(FULL, [KNOWN], known_ids, MOST)


def sums_taken(taken: Admission) -> PeriodSums:
    bouncers = traffic_of(taken.counters).keys() - {KNOWN}
    return plus(FULL, sums_of(taken.counters, len(bouncers)))


@given(calls)
def test_whatever_is_taken_can_be_sent(given_calls: list[list[UsageReport]]) -> None:
    taken = admission()
    for call in given_calls:
        taken.take(call)
    assert fits(FULL, sums_of(taken.counters, 0), MOST)
    assert sums_taken(taken).bouncers <= MOST


@given(calls)
def test_of_a_refused_call_nothing_is_taken(given_calls: list[list[UsageReport]]) -> None:
    taken, without_refused = admission(), admission()
    for call in given_calls:
        if isinstance(taken.take(call), RecordingResult):
            without_refused.take(call)
    assert (taken.counters, taken.counted) == (without_refused.counters, without_refused.counted)


@given(st.lists(reports, min_size=1, max_size=8))
def test_what_a_refusal_does_not_name_is_taken_without_what_it_names(call: list[UsageReport]) -> None:
    taken = admission()
    refusal = taken.take(call)
    if isinstance(refusal, UsageRefusedError):
        named = {one.place for one in refusal.problems}
        assert named
        rest = [report for index, report in enumerate(call) if index not in named]
        ids = {call[index]["report_id"] for index in named}
        # A repetition of a named report would count in its place.
        assert isinstance(taken.take([report for report in rest if report["report_id"] not in ids]), RecordingResult)


def test_a_report_beyond_a_sum_is_named_with_the_field() -> None:
    refusal = admission().take([usage(ROOM), usage(1), usage(0, ROOM + 1), usage(0)])
    assert isinstance(refusal, PeriodFullError)
    assert [(one.place, one.field) for one in refusal.problems] == [(1, "audit_events"), (2, "policy_decisions")]


def test_one_bouncer_too_many_is_named_and_those_that_are_known_always_have_room() -> None:
    others = [usage(1, bouncer=f"bouncer-{number}") for number in range(4)]
    refusal = admission().take(others)
    assert isinstance(refusal, TooManyBouncersError)
    assert [(one.place, one.field) for one in refusal.problems] == [(3, "bouncer_id")]
    full = Admission(PeriodSums(0, 0, 9), [KNOWN], (), max_bouncers=3)
    assert full.take([usage(1, bouncer=KNOWN)]) == RecordingResult(accepted=1, duplicates=0)
    assert isinstance(full.take([usage(0, bouncer="new")]), TooManyBouncersError)


def test_duplicates_have_room_in_a_period_that_is_full() -> None:
    again = usage(ROOM + 1)
    assert admission([again["report_id"].int]).take([again, again]) == RecordingResult(accepted=0, duplicates=2)

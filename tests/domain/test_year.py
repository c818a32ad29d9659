"""The rules over a year of a healthy installation: nobody has to do anything, and every payload says *available*."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from telemetry_service.domain.health import assess, availability
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.schedule import Frequency, next_run_after
from telemetry_service.domain.situation import Run, Situation, Waiting
from telemetry_service.domain.transmissions import LastExchange
from tests.support.situations import COMPLETE

START = datetime(2027, 1, 26, 10, 0, tzinfo=UTC)
YEAR = timedelta(days=366)
OFFSET = timedelta(minutes=3)
LEAST = {Frequency.TWICE_MONTHLY: 24, Frequency.WEEKLY: 52, Frequency.MONTHLY: 12, Frequency.DAILY: 365}


def sent_at(at: datetime, frequency: Frequency, run: Run | None) -> Situation:
    """Return the situation right after an acceptance."""
    return Situation(
        now=at,
        setup=COMPLETE,
        reportable=True,
        exchange=LastExchange(at, ok=True, cause=None, sequence=1),
        last_accepted_at=at,
        waiting=Waiting(),
        run=run,
        next_run_at=next_run_after(frequency, at),
        send_offset=OFFSET,
        longest_wait=timedelta(hours=6),
    )


@pytest.mark.parametrize("frequency", Frequency)
def test_a_year_of_runs_that_are_accepted_minutes_later_is_available_throughout(frequency: Frequency) -> None:
    situation, runs = sent_at(START, frequency, None), 0
    while situation.now < START + YEAR:
        assert (assess(situation).status, assess(situation).code) == (HealthStatus.HEALTHY, "ok")
        due = situation.next_run_at
        for now in (situation.now + (due - situation.now) / 2, due - timedelta(seconds=1), due):
            before = replace(situation, now=now)
            assert assess(before).owner is Owner.NOBODY, assess(before)
            assert availability(before) is TelemetryAvailability.AVAILABLE
        run = Run(due, "prepared", of_open_period=False, accepted_since=True)
        situation, runs = sent_at(due + OFFSET, frequency, run), runs + 1
    assert runs >= LEAST[frequency]


@pytest.mark.parametrize("frequency", Frequency)
def test_after_a_run_without_an_acceptance_the_next_one_is_degraded(frequency: Frequency) -> None:
    run = Run(START - timedelta(days=1), "prepared", of_open_period=False, accepted_since=False)
    situation = sent_at(START, frequency, run)
    assert availability(replace(situation, now=situation.next_run_at)) is TelemetryAvailability.DEGRADED
    assert assess(situation).owner is Owner.ADMINISTRATOR

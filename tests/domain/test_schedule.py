"""When payloads are due, against an oracle that walks through the calendar hour by hour."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from statistics import mean
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.schedule import Frequency, next_run_after, next_runs, send_offset
from tests.support.each import each

DAYS: dict[Frequency, Callable[[datetime], bool]] = {
    Frequency.TWICE_MONTHLY: lambda day: day.day in (1, 15),
    Frequency.WEEKLY: lambda day: day.strftime("%A") == "Monday",
    Frequency.MONTHLY: lambda day: day.day == 1,
    Frequency.DAILY: lambda _: True,
}
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=offsets)  # noqa: DTZ001 - zoned by timezones
frequencies = st.sampled_from(Frequency)


def naive_next(frequency: Frequency, moment: datetime) -> datetime:
    """Go on from hour to hour until one is a tick."""
    candidate = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while True:
        candidate += timedelta(hours=1)
        if candidate.hour == 2 and DAYS[frequency](candidate):
            return candidate


@given(frequencies, moments)
def test_the_next_run_is_the_first_one_that_the_calendar_shows(frequency: Frequency, moment: datetime) -> None:
    assert next_run_after(frequency, moment) == naive_next(frequency, moment)


@given(frequencies, moments)
def test_a_run_is_never_its_own_next(frequency: Frequency, moment: datetime) -> None:
    run = next_run_after(frequency, moment)
    assert next_run_after(frequency, run) > run
    assert next_run_after(frequency, run - timedelta(microseconds=1)) == run


@each(
    ("frequency", "moment", "following"),
    [
        (Frequency.TWICE_MONTHLY, "2026-11-01T01:59:59", "2026-11-01T02:00:00"),
        (Frequency.TWICE_MONTHLY, "2026-11-01T02:00:00", "2026-11-15T02:00:00"),
        (Frequency.TWICE_MONTHLY, "2026-12-15T02:00:00", "2027-01-01T02:00:00"),
        (Frequency.WEEKLY, "2026-11-23T01:00:00", "2026-11-23T02:00:00"),
        (Frequency.WEEKLY, "2026-11-23T02:00:00", "2026-11-30T02:00:00"),
        (Frequency.MONTHLY, "2028-01-31T12:00:00", "2028-02-01T02:00:00"),
        (Frequency.MONTHLY, "2026-12-01T02:00:00", "2027-01-01T02:00:00"),
        (Frequency.DAILY, "2028-02-28T02:00:00", "2028-02-29T02:00:00"),
        (Frequency.DAILY, "2026-12-31T23:00:00", "2027-01-01T02:00:00"),
    ],
)
def test_the_guides_frequencies(frequency: Frequency, moment: str, following: str) -> None:
    assert next_run_after(frequency, datetime.fromisoformat(f"{moment}Z")) == datetime.fromisoformat(f"{following}Z")


def test_several_runs_follow_each_other() -> None:
    start = datetime(2026, 11, 3, tzinfo=UTC)
    assert [run.day for run in next_runs(Frequency.TWICE_MONTHLY, start, 3)] == [15, 1, 15]
    assert next_runs(Frequency.DAILY, start, 0) == ()


@given(st.uuids(), st.integers(0, 3_600))
def test_the_send_offset_is_fixed_for_an_installation_and_within_the_spread(instance_id: UUID, seconds: int) -> None:
    spread = timedelta(seconds=seconds)
    offset = send_offset(instance_id, spread)
    assert timedelta(0) <= offset <= spread
    assert offset < spread or not spread
    assert offset == send_offset(instance_id, spread)


def test_a_fleet_is_spread_evenly() -> None:
    offsets_of_a_fleet = [send_offset(uuid4(), timedelta(seconds=100)).total_seconds() for _ in range(3_000)]
    assert 45 < mean(offsets_of_a_fleet) < 55
    assert len(set(offsets_of_a_fleet)) > 90


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_time_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        run = next_run_after(Frequency.MONTHLY, datetime(2026, 11, 1, 1, tzinfo=UTC))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert run == datetime(2026, 11, 1, 2, tzinfo=UTC)


def test_the_offset_of_an_installation_stays_the_same_in_the_next_version() -> None:
    instance_id = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    assert send_offset(instance_id, timedelta(seconds=300)) == timedelta(seconds=180)

"""When payloads are due: four frequencies, all at 02:00 UTC."""

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

TICK_HOUR = 2
_MONDAY = 0
_SEARCH_DAYS = 63


class Frequency(StrEnum):
    """How often telemetry is sent."""

    TWICE_MONTHLY = "twice_monthly"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    DAILY = "daily"


def _is_tick_day(frequency: Frequency, day: datetime) -> bool:
    match frequency:
        case Frequency.TWICE_MONTHLY:
            return day.day in {1, 15}
        case Frequency.WEEKLY:
            return day.weekday() == _MONDAY
        case Frequency.MONTHLY:
            return day.day == 1
        case Frequency.DAILY:
            return True


def next_run_after(frequency: Frequency, moment: datetime) -> datetime:
    """Return the first tick strictly later than ``moment`` (timezone-aware), in UTC."""
    candidate = moment.astimezone(UTC).replace(hour=TICK_HOUR, minute=0, second=0, microsecond=0)
    for _ in range(_SEARCH_DAYS):
        if candidate > moment and _is_tick_day(frequency, candidate):
            return candidate
        candidate += timedelta(days=1)
    raise AssertionError  # Every frequency has a tick within two months.


def next_runs(frequency: Frequency, moment: datetime, count: int) -> tuple[datetime, ...]:
    """Return the next ``count`` ticks after ``moment``."""
    runs: list[datetime] = []
    for _ in range(count):
        moment = next_run_after(frequency, moment)
        runs.append(moment)
    return tuple(runs)


_INTERVALS = {
    Frequency.DAILY: timedelta(days=1),
    Frequency.WEEKLY: timedelta(days=7),
    Frequency.TWICE_MONTHLY: timedelta(days=17),
    Frequency.MONTHLY: timedelta(days=31),
}


def longest_interval(frequency: Frequency) -> timedelta:
    """Return the longest time between two ticks."""
    return _INTERVALS[frequency]


def send_offset(instance_id: UUID, spread: timedelta) -> timedelta:
    """Return how long after a tick this installation sends: fixed for it, spread evenly over a fleet."""
    digest = hashlib.sha256(b"send-offset\0" + instance_id.bytes).digest()
    fraction = int.from_bytes(digest[:8]) / 2**64
    return timedelta(seconds=int(spread.total_seconds() * fraction))

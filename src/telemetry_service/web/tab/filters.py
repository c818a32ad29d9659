"""Moments as the tab shows them: in UTC with its name, and how far away. The browser adds its local time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from telemetry_service.domain.phrases import day, relative, to_come, to_the_minute

__all__ = ["Moment", "day", "exact", "moment", "optional_moment", "planned", "relative", "weekday"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment, ready to show."""

    iso: str
    """For the ``datetime`` attribute."""
    text: str
    """``15 Nov 2026, 02:00 UTC``."""
    relative: str
    """``in 5 days``, ``3 hours ago``, ``just now``."""


def moment(at: datetime, now: datetime) -> Moment:
    """Return a moment of something that has happened, as seen from ``now``.

    Where the clock was set back since, it is never said to be still to come.
    """
    return _moment(at, relative(min(at, now), now))


def _moment(at: datetime, distance: str) -> Moment:
    return Moment(at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), to_the_minute(at), distance)


def optional_moment(at: datetime | None, now: datetime) -> Moment | None:
    """Return the same, or None without a moment."""
    return None if at is None else moment(at, now)


def planned(at: datetime | None, now: datetime) -> Moment | None:
    """Return a moment of something to come: what is due, and that nobody has taken up yet, is not of the past."""
    return None if at is None else _moment(at, to_come(at, now))


def exact(at: datetime) -> str:
    """Return a moment to the second: ``15 Nov 2026, 02:03:17 UTC``."""
    utc = at.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M:%S} UTC"


def weekday(when: date) -> str:
    """Return ``Mon 1 Dec 2026``."""
    return f"{_WEEKDAYS[when.weekday()]} {day(when)}"


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

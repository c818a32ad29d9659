"""Moments as the tab shows them: in UTC with its name, and how far away. The browser adds its local time."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from telemetry_service.web.settings_tab.figures import counted

_SOON = timedelta(seconds=45)
_STEPS = (
    (timedelta(days=60), timedelta(days=30), "month"),
    (timedelta(hours=36), timedelta(days=1), "day"),
    (timedelta(minutes=90), timedelta(hours=1), "hour"),
    (_SOON, timedelta(minutes=1), "minute"),
)
"""From which distance on a unit is used, that unit, and its name; the coarsest first."""


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
    """Return ``at`` as seen from ``now``."""
    utc = at.astimezone(UTC)
    return Moment(utc.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{day(utc.date())}, {utc:%H:%M} UTC", relative(at, now))


def optional_moment(at: datetime | None, now: datetime) -> Moment | None:
    """Return the same, or None without a moment."""
    return None if at is None else moment(at, now)


def planned(at: datetime | None, now: datetime) -> Moment | None:
    """Return a moment of something to come: what is due, and that nobody has taken up yet, is not of the past."""
    shown = optional_moment(at, now)
    return replace(shown, relative="due now") if shown and at and at <= now else shown


def exact(at: datetime) -> str:
    """Return a moment to the second: ``15 Nov 2026, 02:03:17 UTC``."""
    utc = at.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M:%S} UTC"


def day(when: date) -> str:
    """Return ``15 Nov 2026``, whatever the locale of the process."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def weekday(when: date) -> str:
    """Return ``Mon 1 Dec 2026``."""
    return f"{_WEEKDAYS[when.weekday()]} {day(when)}"


def relative(at: datetime, now: datetime) -> str:
    """Return how far ``at`` is from ``now``, in the largest unit that says enough."""
    distance = abs(at - now)
    for from_distance, unit, name in _STEPS:
        if distance >= from_distance:
            amount = counted(round(distance / unit), name)
            return f"in {amount}" if at > now else f"{amount} ago"
    return "in a few seconds" if at > now else "just now"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

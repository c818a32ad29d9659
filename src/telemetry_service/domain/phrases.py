"""Numbers and times as people read them: each number with its unit, each time with its zone."""

from datetime import UTC, date, datetime, timedelta

_SOON = timedelta(seconds=45)
_STEPS = (
    (timedelta(days=60), timedelta(days=30), "month"),
    (timedelta(hours=36), timedelta(days=1), "day"),
    (timedelta(minutes=90), timedelta(hours=1), "hour"),
    (_SOON, timedelta(minutes=1), "minute"),
)
"""The shortest distance for which a unit is used, the unit, and its name; the coarsest first."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def grouped(number: int) -> str:
    """Return 1234567 as ``1,234,567``."""
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its unit: ``1 row``, ``1,204 rows``."""
    unit = one if abs(number) == 1 else (many or f"{one}s")
    return f"{grouped(number)} {unit}"


def payloads_kept(number: int, until: str) -> str:
    """Return what happens to the waiting payloads: ``1 waiting payload is kept and will be sent once …``."""
    if not number:
        return "No payload is waiting."
    verb = "is" if number == 1 else "are"
    return f"{counted(number, 'waiting payload')} {verb} kept and will be sent {until}."


def day(when: date) -> str:
    """Return ``15 Nov 2026``, whatever the locale of the process."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def to_the_minute(at: datetime) -> str:
    """Return ``15 Nov 2026, 02:00 UTC``."""
    utc = at.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M} UTC"


def iso(at: datetime) -> str:
    """Return ``2026-11-15T02:03:17Z``, which people and programs can read."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def relative(at: datetime, now: datetime) -> str:
    """Return the distance from ``now`` to ``at`` in its largest unit: ``in 5 days``, ``3 hours ago``."""
    distance = abs(at - now)
    for from_distance, unit, name in _STEPS:
        if distance >= from_distance:
            amount = counted(round(distance / unit), name)
            return f"in {amount}" if at > now else f"{amount} ago"
    return "in a few seconds" if at > now else "just now"


def to_come(at: datetime, now: datetime) -> str:
    """Return when something planned happens: ``in 5 days``, and ``due now`` once its time has come."""
    return relative(at, now) if at > now else "due now"

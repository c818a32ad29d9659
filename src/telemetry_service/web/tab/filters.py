"""How the templates write values: times in UTC with their zone, numbers with their unit, distances in words.

Each function is a filter of the same name. The browser adds its local time.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from telemetry_service.domain.phrases import counted, day, grouped, iso, payloads_kept, relative, to_come, to_the_minute

_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_KIBIBYTE = 1_024
_CODES_SHOWN = 5
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something happened: ``3 hours ago``, ``just now``.

    If the clock was set back since, it is never shown as being in the future.
    """
    return relative(min(at, now), now)


def exact(at: datetime) -> str:
    """Return a time to the second: ``15 Nov 2026, 02:03:17 UTC``."""
    utc = at.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M:%S} UTC"


def weekday(when: date) -> str:
    """Return ``Mon 1 Dec 2026``."""
    return f"{_WEEKDAYS[when.weekday()]} {day(when)}"


def counted_up_to(number: int, most: int, one: str) -> str:
    """Return a number with its unit; beyond ``most``, where counting ends, ``more than 1,204 rows``."""
    return f"more than {counted(most, one)}" if number > most else counted(number, one)


def duration(milliseconds: int | None) -> str:
    """Return a duration in ms below a second, in s below a minute, else in min; a dash if there is none."""
    if milliseconds is None:
        return "—"
    if milliseconds == 0:
        return "under 1 ms"
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    return f"{milliseconds / _MINUTE_MS:.1f} min"


def size(octets: int) -> str:
    """Return a size in bytes below 10 KiB, else in KiB."""
    if octets < 10 * _KIBIBYTE:
        return counted(octets, "byte")
    return f"{octets / _KIBIBYTE:,.1f} KiB"


def codes(codes_: Sequence[str]) -> str:
    """Return the first extension codes, and how many more there are."""
    if not codes_:
        return "[] (none)"
    more = f" and {grouped(len(codes_) - _CODES_SHOWN)} more" if len(codes_) > _CODES_SHOWN else ""
    return ", ".join(codes_[:_CODES_SHOWN]) + more


def pretty(payload: Mapping[str, Any]) -> str:
    """Write a payload for reading, in the order of its canonical form."""
    return json.dumps(payload, indent=2, sort_keys=True, ensure_ascii=False)


FILTERS = {
    "ago": ago,
    "codes": codes,
    "counted": counted,
    "counted_up_to": counted_up_to,
    "day": day,
    "duration": duration,
    "exact": exact,
    "grouped": grouped,
    "iso": iso,
    "json": json.dumps,
    "payloads_kept": payloads_kept,
    "pretty": pretty,
    "size": size,
    "until": to_come,
    "utc": to_the_minute,
    "weekday": weekday,
}

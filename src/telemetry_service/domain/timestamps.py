"""Reads times in RFC 3339, which Go, .NET and every other platform write.

A fraction may have any number of digits; digits beyond microseconds are cut off. ``T`` and ``Z`` may be lower case
(section 5.6). A leap second is accepted where one can occur, at the end of a month in UTC, and becomes the second after
it, as in POSIX time. Everything else is strict: a zone is required, and a number is not a time.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_RFC3339 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt](?P<minute>(?:[01]\d|2[0-3]):[0-5]\d):(?P<second>[0-5]\d|60)"
    r"(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_MICROSECOND_DIGITS = 6
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)
"""The days that can be asked for: a database cannot compare with every date that can be written."""


def parse_moment(text: str) -> datetime:
    """Return the moment that ``text`` names, in UTC.

    Raises:
        ValueError: it is not valid RFC 3339, does not exist, or is outside the years 1970 to 9999.
    """
    return _in_utc(_read(text))


def _read(text: str) -> datetime:
    found = _RFC3339.fullmatch(text)
    if found is None:
        message = "a time must be written in RFC 3339 form"
        raise ValueError(message)
    fraction = (found["fraction"] or "")[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")
    leap = found["second"] == "60"
    second = "59" if leap else found["second"]
    moment = datetime.fromisoformat(f"{found['day']}T{found['minute']}:{second}.{fraction}{found['zone'].upper()}")
    return _after_leap(moment) if leap else moment


def _after_leap(moment: datetime) -> datetime:
    """Return the second after ``moment``, which is the last one before a leap second."""
    try:
        following = moment.astimezone(UTC) + timedelta(seconds=1)
    except OverflowError:
        following = moment
    if (following.day, following.hour, following.minute, following.second) != (1, 0, 0, 0):
        message = "a leap second must be the last second of a month in UTC"
        raise ValueError(message)
    return following


def _in_utc(moment: datetime) -> datetime:
    """Convert to UTC; refuse what UTC cannot represent, and anything before 1970."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        utc = datetime.min.replace(tzinfo=UTC)
    if utc < _EARLIEST:
        message = "a time must be between the years 1970 and 9999"
        raise ValueError(message)
    return utc


def _from_text(value: object) -> object:
    # Pydantic would also accept "1700000000".
    return _read(value) if isinstance(value, str) else value


_YEARS = "^(19[7-9][0-9]|[2-9][0-9]{3})-"
"""For the description: JSON Schema has no bounds for times."""

Moment = Annotated[
    AwareDatetime, BeforeValidator(_from_text), AfterValidator(_in_utc), Field(json_schema_extra={"pattern": _YEARS})
]
"""A time with its zone, written in RFC 3339 and kept in UTC."""

"""The header ``Retry-After`` (RFC 9110 section 10.2.3): seconds, or a date."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=366)
"""Longer values are cut to this, so that no date can overflow. The retry policy decides how much of it to follow."""

_MOST_DIGITS = 8
"""As many digits as ``LONGEST`` has in seconds."""


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return how long the License Server asks to wait, from 0 to ``LONGEST``; None if it does not say.

    A date in the past means now. A value that is neither a number nor a date is ignored.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        return min(timedelta(seconds=int(digits or "0")), LONGEST) if len(digits) <= _MOST_DIGITS else LONGEST
    moment = parse_http_date(text)
    return None if moment is None else min(max(moment - now, timedelta(0)), LONGEST)


def parse_http_date(text: str) -> datetime | None:
    """Return the time of an HTTP date in any of its forms, or None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # HTTP dates are in GMT, even without a zone.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

"""When to try again: later each time, at random, so that many reporters do not come at once."""

import email.utils
import random

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 300.0
_LONGEST_RETRY_AFTER_SECONDS = 3600.0
_MOST_DOUBLINGS = 20


def delay(failures: int) -> float:
    """Return the seconds to wait after this many failures in a row."""
    longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, and is no secret


def retry_after(value: str | None, now: float) -> float:
    """Return the seconds that a ``Retry-After`` asks for: a number, or a date; 0 without a valid one."""
    if value is None:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_RETRY_AFTER_SECONDS)
    try:
        seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, min(seconds, _LONGEST_RETRY_AFTER_SECONDS))

"""The only place that reads the wall clock, and that creates IDs.

Everything else takes the time as an argument: one run reads the clock once and passes it down.
All moments are timezone-aware and in UTC.
"""

import secrets
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

_RANDOM_BITS_A = 12
_RANDOM_BITS_B = 62


EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""Nothing can have been recorded before this: the service did not exist."""


def is_plausible(moment: datetime) -> bool:
    """Whether a clock that shows ``moment`` can be right.

    A clock that shows a time before this service existed has not been set yet: machines without a battery start in 1970
    or 2000. Nothing is rescheduled by such a clock.
    """
    return moment >= EARLIEST


class Clock(Protocol):
    """Where the service gets the time from."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


def time_ordered_id(moment: datetime) -> UUID:
    """Return a new UUIDv7 (RFC 9562): IDs created close in time are close in an index."""
    milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80
    value |= 0x7 << 76
    random = secrets.randbits(_RANDOM_BITS_A + _RANDOM_BITS_B)
    value |= (random >> _RANDOM_BITS_B) << 64
    value |= 0b10 << 62
    value |= random & ((1 << _RANDOM_BITS_B) - 1)
    return UUID(int=value)


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with milliseconds: ``2026-11-23T02:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

"""Which addresses have failed lately: they must not be in the way of those that have not.

Strangers decide how many there are, so the memory is bounded. It belongs to one event loop.
"""

from datetime import datetime, timedelta

MOST = 10_000


class FailedLately:
    """Remembers the failures of this process alone."""

    def __init__(self, lasts: timedelta, most: int = MOST) -> None:
        """Remember a failure for as long as it ``lasts``, and at most so many: the oldest are forgotten first."""
        self._lasts = lasts
        self._most = most
        self._failed: dict[str, datetime] = {}

    def has(self, address: str, now: datetime) -> bool:
        """Whether the last attempt of an address failed lately."""
        failed_at = self._failed.get(address)
        return failed_at is not None and abs(now - failed_at) < self._lasts

    def note(self, address: str, now: datetime, *, failed: bool) -> None:
        """Remember a failure; a success ends it."""
        self._failed.pop(address, None)
        if failed:
            self._failed[address] = now
            if len(self._failed) > self._most:
                del self._failed[next(iter(self._failed))]

"""What counts once, although nothing is stored for it: remembered in this process alone, for a while.

Strangers decide how much of it there is, so the memory is bounded.
"""

from datetime import datetime, timedelta
from threading import Lock

MOST = 10_000


class Once:
    """Threads may share it."""

    def __init__(self, lasts: timedelta, most: int = MOST) -> None:
        """Remember what was used for as long as it ``lasts``, and at most so many: the oldest are forgotten first."""
        self._lasts = lasts
        self._most = most
        self._lock = Lock()
        self._used: dict[bytes, datetime] = {}

    def take(self, digest: bytes, now: datetime) -> bool:
        """Use something; False if it was used before."""
        with self._lock:
            if digest in self._used:
                return False
            self._forget(now)
            self._used[digest] = now
            return True

    def _forget(self, now: datetime) -> None:
        while self._used:
            oldest = next(iter(self._used))
            if len(self._used) < self._most and now - self._used[oldest] < self._lasts:
                break
            del self._used[oldest]

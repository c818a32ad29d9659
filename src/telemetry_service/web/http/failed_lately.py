"""Which addresses have failed lately: they must not be in the way of those that have not.

One caller can have all addresses of an IPv6 network, so a failure of one counts for all. A success ends only its own.

Strangers decide how many there are, so the memory is bounded. It belongs to one event loop.
"""

from datetime import datetime, timedelta

from telemetry_service.domain.addresses import caller_group, caller_network

MOST = 10_000


class FailedLately:
    """Remembers the failures of this process alone."""

    def __init__(self, lasts: timedelta, most: int = MOST) -> None:
        """Remember a failure for as long as it ``lasts``, and at most so many: the oldest are forgotten first."""
        self._lasts = lasts
        self._most = most
        self._failed: dict[str, datetime] = {}

    def has(self, address: str, now: datetime) -> bool:
        """Whether the last attempt of an address failed lately, or one of its network."""
        times = [self._failed.get(callers) for callers in _all_of(address)]
        return any(failed_at is not None and abs(now - failed_at) < self._lasts for failed_at in times)

    def note(self, address: str, now: datetime, *, failed: bool) -> None:
        """Remember a failure; a success ends it."""
        for callers in _all_of(address) if failed else {caller_group(address)}:
            self._failed.pop(callers, None)
            if failed:
                self._failed[callers] = now
        while len(self._failed) > self._most:
            del self._failed[next(iter(self._failed))]


def _all_of(address: str) -> set[str]:
    return {caller_group(address), caller_network(address)}

"""Counts in memory. Nothing here waits: not for a lock, not for a disk."""

from collections import deque
from threading import Lock

from control_core_telemetry_reporter.options import ENVIRONMENTS, ID_PATTERN, MAX_COUNT
from control_core_telemetry_reporter.report import Counts, Key, Sums, add

_LATE_AT_ONCE = 1_000
"""Late counts that one call adds for others: a bound of what it costs."""

_INTEGERS: tuple[type, ...] = (int, int, int)

_Entry = tuple[Key, Counts] | int
"""Counts, or how many calls were dropped."""


def is_valid(key: Key, counts: Counts) -> bool:
    """Whether the service would take this as a report."""
    return _is_key(key) and _are_counts(*counts)


class Tally:
    """Adds up in memory, for each bouncer and environment."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._lock = Lock()
        self._sums: dict[Key, list[int]] = {}
        # What came while the lock was taken, perhaps by the same thread: in a signal handler, or in a finalizer.
        self._late: deque[_Entry] = deque()
        self.dropped = 0
        """Calls whose counts are lost."""

    def add(self, key: Key, counts: Counts) -> None:
        """Add counts, or count the call as dropped if they are not valid. Raises TypeError for a key without a hash."""
        self._take(1 if not _are_counts(*counts) else (key, counts))

    def drop(self, calls: int = 1) -> None:
        """Count calls whose counts are lost."""
        self._take(calls)

    def take(self) -> Sums:
        """Return everything that was counted, and start again at zero."""
        with self._lock:
            self._add_late(len(self._late))
            taken, self._sums = self._sums, {}
        return {key: (events, decisions, successful) for key, (events, decisions, successful) in taken.items()}

    def _take(self, entry: _Entry) -> None:
        if not self._lock.acquire(blocking=False):
            self._late.append(entry)
            return
        try:
            self._add(entry)
            if self._late:
                self._add_late(_LATE_AT_ONCE)
        finally:
            self._lock.release()

    def _add_late(self, most: int) -> None:
        for _ in range(min(most, len(self._late))):
            self._add(self._late.popleft())

    def _add(self, entry: _Entry) -> None:
        if isinstance(entry, int):
            self.dropped += entry
            return
        key, counts = entry
        sums = self._sums.get(key)
        if sums is not None:
            sums[0] += counts[0]
            sums[1] += counts[1]
            sums[2] += counts[2]
        elif len(self._sums) < self._max_keys and _is_key(key):
            self._sums[key] = list(counts)
        else:
            self.dropped += 1


def merge(sums: Sums, more: Sums, max_keys: int) -> int:
    """Add ``more`` to ``sums`` in place and return how many keys found no room."""
    dropped = 0
    for key, counts in more.items():
        if key in sums or len(sums) < max_keys:
            add(sums, key, counts)
        else:
            dropped += 1
    return dropped


def _is_key(key: tuple[object, object]) -> bool:
    bouncer_id, environment = key
    return isinstance(bouncer_id, str) and environment in ENVIRONMENTS and ID_PATTERN.fullmatch(bouncer_id) is not None


def _are_counts(events: int, decisions: int, successful: int) -> bool:
    # A caller may know no types. A boolean is an int, too, and no one means it as a count.
    if (type(events), type(decisions), type(successful)) != _INTEGERS:
        return False
    return 0 <= successful <= decisions <= events <= MAX_COUNT

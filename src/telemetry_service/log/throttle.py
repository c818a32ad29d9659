"""Keeps refused callers and lasting problems from filling the log: it limits lines and memory."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from telemetry_service.log.events import EVENTS, Event, Limit
from telemetry_service.log.lines import SUPPRESSED, event_of, fields_of

KEYS_KNOWN = 1_024
"""Addresses that are counted separately; an attacker can have any number of them."""


@dataclass(slots=True)
class _Window:
    """How many lines there were since ``began``."""

    began: float
    lines: int = 0

    def has_room(self, now: float, seconds: float, most: int) -> bool:
        """Whether one more may be written; a window that has ended starts again."""
        if now - self.began >= seconds:
            self.began, self.lines = now, 0
        return self.lines < most


@dataclass(slots=True)
class _Counts:
    """How much of one event was written."""

    total: _Window
    suppressed: int = 0
    each: OrderedDict[tuple[object, ...], _Window] = field(default_factory=OrderedDict)


class Throttle(logging.Filter):
    """Lets records pass up to the limit of their event; the next one that passes says how many were suppressed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Measure time with ``monotonic``, which changes of the wall clock do not affect."""
        super().__init__()
        self._monotonic = monotonic
        self._lock = Lock()
        self._counts: dict[Event, _Counts] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        event = event_of(record)
        limit = EVENTS[event].limit
        if limit is None:
            return True
        fields = fields_of(record)
        key = tuple(str(fields.get(name)) for name in limit.by)
        with self._lock:
            suppressed = self._count(event, limit, key)
        if suppressed is None:
            return False
        setattr(record, SUPPRESSED, suppressed)
        return True

    def _count(self, event: Event, limit: Limit, key: tuple[object, ...]) -> int | None:
        """Return how many were suppressed before this one; None if this one is suppressed too."""
        now = self._monotonic()
        counts = self._counts.setdefault(event, _Counts(_Window(now)))
        window = counts.each.pop(key, None) or _Window(now)
        counts.each[key] = window
        while len(counts.each) > KEYS_KNOWN:
            counts.each.popitem(last=False)
        # Check both: each has its own window.
        room = (window.has_room(now, limit.seconds, limit.each), counts.total.has_room(now, limit.seconds, limit.total))
        if not all(room):
            counts.suppressed += 1
            return None
        window.lines += 1
        counts.total.lines += 1
        suppressed, counts.suppressed = counts.suppressed, 0
        return suppressed

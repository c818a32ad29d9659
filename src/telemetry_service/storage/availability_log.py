"""Logs when the database becomes unusable and when it can be used again, rather than one line for each call."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event

QUIET_SECONDS = 60
"""A failure that comes and goes, such as a lock that is sometimes held too long, is logged once in so many seconds."""


@dataclass(slots=True)
class _Failure:
    began: float
    while_writing: bool
    logged: bool = False


class AvailabilityLog:
    """Knows which failures last. Only a write ends a failure to write: reading often works meanwhile."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Measure time with ``monotonic``."""
        self._monotonic = monotonic
        self._lock = Lock()
        self._lasting: dict[str, _Failure] = {}
        self._failures: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    @contextmanager
    def watching(self, *, writing: bool) -> Iterator[None]:
        """Watch one transaction."""
        try:
            yield
        except StorageUnavailableError as error:
            self._failed(error.code, writing=writing)
            raise
        self._worked(writing=writing)

    def failures(self) -> dict[str, int]:
        """Return how many transactions failed so far, by code."""
        with self._lock:
            return dict(self._failures)

    def _failed(self, code: str, *, writing: bool) -> None:
        now = self._monotonic()
        with self._lock:
            self._failures[code] += 1
            failure = self._lasting.setdefault(code, _Failure(now, writing))
            logged_at = self._logged_at.get(code)
            if failure.logged or (logged_at is not None and now - logged_at < QUIET_SECONDS):
                return
            failure.logged = True
            self._logged_at[code] = now
        log_event(Event.STORAGE_FAILED, code=code)

    def _worked(self, *, writing: bool) -> None:
        if not self._lasting:
            return
        now = self._monotonic()
        with self._lock:
            over = {code: failure for code, failure in self._lasting.items() if writing or not failure.while_writing}
            for code in over:
                del self._lasting[code]
        for code, failure in over.items():
            if failure.logged:
                log_event(Event.STORAGE_RECOVERED, code=code, duration_ms=int((now - failure.began) * 1000))

"""Writes into the log when the database stops to be of use, and when it is again: not one line for each call."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event

QUIET_SECONDS = 60
"""A fault that comes and goes, such as a lock that is held too long now and then, is told once in so many seconds."""


@dataclass(slots=True)
class _Fault:
    began: float
    while_writing: bool
    told: bool = False


class AvailabilityLog:
    """Knows which kinds of fault last. A fault met while writing ends with a write: reading often works meanwhile."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Measure by ``monotonic``."""
        self._monotonic = monotonic
        self._lock = Lock()
        self._lasting: dict[str, _Fault] = {}
        self._told_at: dict[str, float] = {}

    @contextmanager
    def watching(self, *, writing: bool) -> Iterator[None]:
        """Watch one transaction."""
        try:
            yield
        except StorageUnavailableError as error:
            self._failed(error.code, writing=writing)
            raise
        self._worked(writing=writing)

    def _failed(self, code: str, *, writing: bool) -> None:
        now = self._monotonic()
        with self._lock:
            fault = self._lasting.setdefault(code, _Fault(now, writing))
            told_at = self._told_at.get(code)
            if fault.told or (told_at is not None and now - told_at < QUIET_SECONDS):
                return
            fault.told = True
            self._told_at[code] = now
        log_event(Event.STORAGE_FAULT_BEGAN, code=code)

    def _worked(self, *, writing: bool) -> None:
        if not self._lasting:
            return
        now = self._monotonic()
        with self._lock:
            over = {code: fault for code, fault in self._lasting.items() if writing or not fault.while_writing}
            for code in over:
                del self._lasting[code]
        for code, fault in over.items():
            if fault.told:
                log_event(Event.STORAGE_FAULT_ENDED, code=code, duration_ms=int((now - fault.began) * 1000))

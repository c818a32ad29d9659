"""Writes lines in a separate thread, so that a stopped reader of stderr blocks nothing.

A full pipe blocks its writer, which is only this thread; calls, probes and the schedule continue. Lines that no longer
fit are dropped, and their number is logged as soon as the pipe is read again.
"""

import logging
import os
from queue import Full, Queue
from threading import Thread
from time import monotonic, sleep

from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.lines import SUPPRESSED
from telemetry_service.log.write import EVENT, FIELDS, LOGGER

LINES_WAITING = 10_000
"""At most a few megabytes."""

LAST_WORDS_SECONDS = 2.0
"""How long the process waits at its end for the last lines to be read."""

_LOOK_SECONDS = 0.01


class DescriptorHandler(logging.Handler):
    """Writes each line to a file descriptor, unbuffered: a full buffer would delay the end of the process."""

    def __init__(self, descriptor: int) -> None:
        """Write to ``descriptor``, which stays the caller's."""
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the whole line; ignore a closed pipe, because nothing reads it."""
        try:
            rest = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except Exception:  # noqa: BLE001 - one line that cannot be written must not be the last one
            self.handleError(record)


class BackgroundHandler(logging.Handler):
    """Passes records to ``inner`` in a thread, and never waits."""

    def __init__(self, inner: logging.Handler, lines_waiting: int = LINES_WAITING) -> None:
        """Start the thread."""
        super().__init__()
        self._inner = inner
        self._waiting: Queue[logging.LogRecord] = Queue(lines_waiting)
        self._dropped = 0
        Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, or count it as dropped; the handler's lock is held."""
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until everything is written, but not forever."""
        until = monotonic() + LAST_WORDS_SECONDS
        while self._waiting.unfinished_tasks and monotonic() < until:
            sleep(_LOOK_SECONDS)

    def _write(self) -> None:
        while True:
            record = self._waiting.get()
            # Not handle(), which would hold the lock while nothing reads; the end of the process needs every lock.
            self._inner.emit(record)
            if self._dropped and self._waiting.empty():
                self._log_dropped()
            self._waiting.task_done()

    def _log_dropped(self) -> None:
        # A record dropped between these two lines is counted with the next: it is only a number.
        dropped, self._dropped = self._dropped, 0
        level = EVENTS[Event.LINES_DROPPED].level
        record = logging.LogRecord(LOGGER, level, "", 0, Event.LINES_DROPPED.value, None, None)
        record.__dict__.update({EVENT: Event.LINES_DROPPED, FIELDS: {}, SUPPRESSED: dropped})
        self._inner.emit(record)

"""Writes lines in a thread of its own: whoever reads stderr, and has stopped to, keeps no one waiting.

A pipe that is full blocks the one who writes into it. Here that is this thread; calls, probes and the schedule go on.
What does not find room any more is dropped, and the log says how much that was as soon as someone reads again.
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
"""Some megabytes at most."""

LAST_WORDS_SECONDS = 2.0
"""How long the end of the process waits for its last lines to be read."""

_LOOK_SECONDS = 0.01


class DescriptorHandler(logging.Handler):
    """Writes each line to a file descriptor, past every buffer of Python's: one that is full delays the end, too."""

    def __init__(self, descriptor: int) -> None:
        """Write to ``descriptor``, which stays the caller's."""
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the whole line; where no one can read it any more there is no one to tell."""
        try:
            rest = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except Exception:  # noqa: BLE001 - one line that cannot be written must not be the last one
            self.handleError(record)


class BackgroundHandler(logging.Handler):
    """Hands records to ``inner`` in a thread, and never waits."""

    def __init__(self, inner: logging.Handler, lines_waiting: int = LINES_WAITING) -> None:
        """Start the thread."""
        super().__init__()
        self._inner = inner
        self._waiting: Queue[logging.LogRecord] = Queue(lines_waiting)
        self._dropped = 0
        Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, or count it as dropped; the handler's own lock is held."""
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until all is written, but not permanently."""
        until = monotonic() + LAST_WORDS_SECONDS
        while self._waiting.unfinished_tasks and monotonic() < until:
            sleep(_LOOK_SECONDS)

    def _write(self) -> None:
        while True:
            record = self._waiting.get()
            # Not handle(): its lock would be held while no one reads, and the end of the process takes every lock.
            self._inner.emit(record)
            if self._dropped and self._waiting.empty():
                self._tell_dropped()
            self._waiting.task_done()

    def _tell_dropped(self) -> None:
        # A record that is dropped between these two lines is told with the next: it is only a number.
        dropped, self._dropped = self._dropped, 0
        level = EVENTS[Event.LINES_DROPPED].level
        record = logging.LogRecord(LOGGER, level, "", 0, Event.LINES_DROPPED.value, None, None)
        record.__dict__.update({EVENT: Event.LINES_DROPPED, FIELDS: {}, SUPPRESSED: dropped})
        self._inner.emit(record)

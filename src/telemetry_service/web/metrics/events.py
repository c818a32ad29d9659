"""Counts the events of the log: each thing worth a line is also worth a number.

So a metric and the log never disagree, and an event that the log leaves out, because of its level or its limit, still
counts.
"""

import logging
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from telemetry_service.log.events import Event
from telemetry_service.log.lines import event_of, fields_of
from telemetry_service.log.write import LOGGER
from telemetry_service.web.metrics.names import METRICS, Name

_LOGINS = {
    Event.LOGIN_SUCCEEDED: "succeeded",
    Event.LOGIN_FAILED: "failed",
    Event.LOGIN_BLOCKED: "blocked",
    Event.IDENTITY_REFUSED: "identity_refused",
}
_ATTEMPTS = frozenset({Event.ATTEMPT_ACCEPTED, Event.ATTEMPT_FAILED})

_ATTEMPT_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
"""Seconds. An exchange takes 30 at most: its deadline."""


class EventCounts(logging.Handler):
    """Counts what one process logs, from ``begin`` to ``end``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count into metrics of ``registry``."""
        super().__init__()
        self._level_before = logging.NOTSET
        self._events = counter(registry, Name.EVENTS)
        self._logins = counter(registry, Name.LOGINS)
        self._attempts = counter(registry, Name.ATTEMPTS)
        self._seconds = Histogram(
            Name.ATTEMPT_SECONDS, METRICS[Name.ATTEMPT_SECONDS].text, registry=registry, buckets=_ATTEMPT_BUCKETS
        )
        # A series that begins with its first event shows no increase by it, so all begin with 0.
        for event in Event:
            self._events.labels(event.value)
        for result in _LOGINS.values():
            self._logins.labels(result)

    def begin(self) -> None:
        """Count from now on, whatever is written: the log's own handler has its level."""
        logger = logging.getLogger(LOGGER)
        self._level_before = logger.level
        logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
        logger.addHandler(self)

    def end(self) -> None:
        """Count no more, and leave the logger as it was."""
        logger = logging.getLogger(LOGGER)
        logger.removeHandler(self)
        logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Count one event."""
        event = event_of(record)
        self._events.labels(event.value).inc()
        if event in _LOGINS:
            self._logins.labels(_LOGINS[event]).inc()
        elif event in _ATTEMPTS:
            self._count_attempt(fields_of(record))

    def _count_attempt(self, fields: dict[str, Any]) -> None:
        self._attempts.labels(fields["state"], fields.get("cause", "")).inc()
        self._seconds.observe(fields["duration_ms"] / 1_000)


def counter(registry: CollectorRegistry, name: Name) -> Counter:
    """Return a counter of ``registry``."""
    meaning = METRICS[name]
    return Counter(name, meaning.text, meaning.labels, registry=registry)

"""Turns a record of the standard library's logging into the fields of one line."""

import logging
from datetime import UTC, datetime
from typing import Any

from telemetry_service.log.events import Event
from telemetry_service.log.fields import as_written
from telemetry_service.log.write import EVENT, FIELDS, place_of

SUPPRESSED = "telemetry_suppressed"
"""The attribute of a record that says how many similar ones were suppressed before it."""


def event_of(record: logging.LogRecord) -> Event:
    """Return the event of a record; a record that is not ours is a library's message."""
    return getattr(record, EVENT, Event.LIBRARY_MESSAGE)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record; for a library's message, its source and that of its exception, not its text."""
    if hasattr(record, EVENT):
        return dict(getattr(record, FIELDS))
    fields: dict[str, Any] = {"logger": as_written("logger", record.name)}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        fields["error"] = as_written("error", type(error).__name__)
        fields["place"] = as_written("place", place_of(error))
    return fields


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return everything that is written for a record, in order."""
    moment = datetime.fromtimestamp(record.created, UTC)
    line = {
        "time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        "level": record.levelname.lower(),
        "event": event_of(record).value,
        **fields_of(record),
    }
    suppressed = getattr(record, SUPPRESSED, 0)
    return line | ({"suppressed": suppressed} if suppressed else {})

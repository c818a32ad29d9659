"""Logs an event. A field that is not in the table of events, or lacks its form, is never written."""

import logging
import sys
import traceback

from telemetry_service.log.context import current_request
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.fields import FieldValue, as_written

LOGGER = "telemetry_service"
"""The one logger of the service's own events."""

EVENT, FIELDS = "telemetry_event", "telemetry_fields"
"""The attributes of a record that carry them."""

_PACKAGE = "telemetry_service/"
_STANDARD_LIBRARY = f"/python{sys.version_info.major}.{sys.version_info.minor}/"

_LOG = logging.getLogger(LOGGER)


def log_event(event: Event, **fields: FieldValue) -> None:
    """Log ``event`` with ``fields``. Within a request, add its ID, and its address if the event has one."""
    meaning = EVENTS[event]
    if not _LOG.isEnabledFor(meaning.level):
        return
    request = current_request()
    if request is not None and "address" in meaning.fields:
        fields.setdefault("address", request.address)
    written = {
        name: as_written(name, fields[name]) for name in meaning.fields if name in fields and fields[name] is not None
    }
    if request is not None:
        written["request_id"] = request.request_id
    _LOG.log(meaning.level, event.value, extra={EVENT: event, FIELDS: written})


def log_exception(error: BaseException, job: str) -> None:
    """Log an unexpected ``error``: its type, its place and the job, never its text."""
    log_event(Event.UNEXPECTED_EXCEPTION, job=job, error=type(error).__name__, place=place_of(error))


def place_of(error: BaseException) -> str | None:
    """Return where an exception came from: the innermost place in this program, or else the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in frame.filename] or frames
    if not ours:
        return None
    return f"{_without_folders(ours[-1].filename)}:{ours[-1].lineno}"


def _without_folders(file: str) -> str:
    """Return a path below where a program is installed: the folders above may have the name of a person."""
    for parent in (_PACKAGE, "/site-packages/", _STANDARD_LIBRARY):
        _, found, below = file.rpartition(parent)
        if found:
            return below
    return file.rpartition("/")[2]

"""The last lines of a log, as far as they are the service's own: known events with the known fields of each.

A log that was collected may contain lines of other programs, which may imitate ours. Whatever is not an event of this
service is left out, and so is each word that is not the service's.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from telemetry_service.cli.new_file import FileRefusedError
from telemetry_service.cli.support.vocabulary import in_our_words
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.fields import FIELDS, FieldValue, Form

_LINES = 1000
_BYTES = 4 * 1024 * 1024
"""Of the end of the file."""

_KEPT_BACK = frozenset({Form.ADDRESS, Form.DIGEST, Form.LISTENING, Form.SENTENCE})
_KEPT_BACK_BY_NAME = frozenset({"actor", "credential", "issuer", "key"})
"""Fields that tell where the service is, who uses it, or what its ledger holds."""

_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


def last_lines(file: Path) -> list[dict[str, Any]]:
    """Return the last lines of a log in JSON, with the fields that may be shown.

    Raises:
        FileRefusedError: the file cannot be read.
    """
    if not file.is_file():  # Reading a pipe might never end.
        raise _unreadable(file)
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _BYTES))
            lines = log.read(_BYTES).splitlines()
    except OSError:
        raise _unreadable(file) from None
    return [shown for line in lines[-_LINES:] for shown in _shown(line)]


def _unreadable(file: Path) -> FileRefusedError:
    return FileRefusedError(f"{file} cannot be read; name the file of the service's log with --log.")


def _shown(line: bytes) -> Iterator[dict[str, Any]]:
    found = _parsed(line)
    with suppress(ValueError, TypeError):
        event = Event(str(found.get("event")))
        moment, level = in_our_words("due", found.get("time")), found.get("level")
        if level in _LEVELS:
            fields = {
                name: in_our_words(name, _field(name, found[name]))
                for name in EVENTS[event].fields
                if name in found and FIELDS[name] not in _KEPT_BACK and name not in _KEPT_BACK_BY_NAME
            }
            yield {"time": moment, "level": level, "event": event.value, **fields}


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the JSON document of a line; systemd puts a priority before it, which the journal takes off."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line[line.find(b"{") :])
        if isinstance(found, dict):
            return found
    return {}


def _field(name: str, value: Any) -> FieldValue:  # noqa: ANN401 - any JSON
    """Return a value as it was logged: in JSON, an ID is a text and a tuple is a list."""
    if FIELDS[name] is Form.ID:
        return UUID(value)
    return tuple(value) if isinstance(value, list) else value

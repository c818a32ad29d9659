"""A payload, field by field: value, meaning, why it is collected, and what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.pipeline.queries.preview import Preview
from telemetry_service.web.tab.filters import codes, grouped

_UNKNOWN = "not known yet"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a payload with its entry in the dictionary."""

    entry: FieldEntry
    value: str
    changed: bool = False
    before: str | None = None
    """The value that was accepted last, where it differs."""


def payload_section(preview: Preview) -> dict[str, Any]:
    """Return the payload that would be sent if the period ended at this moment."""
    before = {change.name: change.before for change in preview.difference}
    fields = fields_of(preview.payload, before) if preview.payload else ()
    return {"preview": preview, "fields": fields}


def fields_of(payload: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> tuple[Field, ...]:
    """Return the fields of a payload; ``before`` holds the old values of those that changed."""
    # The objects themselves are left out: their fields say all that is in them.
    entries = (entry for entry in field_dictionary() if not isinstance(_value(payload, entry.name), dict))
    return tuple(_field(entry, payload, before or {}) for entry in entries)


def _field(entry: FieldEntry, payload: Mapping[str, Any], before: Mapping[str, Any]) -> Field:
    value = _words(_value(payload, entry.name), unknown=entry.name == "customer_id")
    if entry.name not in before:
        return Field(entry, value)
    return Field(entry, value, changed=True, before=_words(before[entry.name]))


def _value(payload: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = payload
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _words(value: Any, *, unknown: bool = False) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return _UNKNOWN if unknown else "null"
        case bool():
            return "true" if value else "false"
        case int():
            return grouped(value)
        case list() | tuple():
            return codes([str(item) for item in value])
        case _:
            return str(value)

"""A payload, field by field: its value, what it means and why it is collected."""

from collections.abc import Mapping
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.domain.phrases import grouped
from telemetry_service.web.tab.filters import codes


def fields(payload: Mapping[str, Any]) -> tuple[tuple[FieldEntry, Any], ...]:
    """Return the fields of a payload, each as its entry in the dictionary and its value."""
    found = ((entry, _value(payload, entry.name)) for entry in field_dictionary())
    # The objects themselves are omitted: their fields contain everything.
    return tuple((entry, value) for entry, value in found if not isinstance(value, dict))


def _value(payload: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = payload
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def json_value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write the value of one field."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return grouped(value)
        case list() | tuple():
            return codes([str(item) for item in value])
        case _:
            return str(value)


FILTERS = {"fields": fields, "json_value": json_value}

"""A payload, field by field: its value, what it means and why it is collected."""

from collections.abc import Mapping
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.reading import shown_fields
from telemetry_service.domain.payload_schemas.schema import PayloadSchema
from telemetry_service.domain.phrases import grouped
from telemetry_service.web.tab.filters import codes


def fields(payload: Mapping[str, Any], schema: PayloadSchema | None = None) -> tuple[tuple[FieldEntry, Any], ...]:
    """Return the fields of a payload, each as its entry in the dictionary of ``schema`` and its value.

    ``schema`` is the one that the payload was prepared with; by default, the current one.
    """
    return tuple((field.entry, field.value) for field in shown_fields(schema or current_schema(), payload))


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

"""The field dictionary: what a schema says about each of its fields.

The API, the settings tab and the documentation show that of the current schema. A stored payload is shown with that of
the schema it was prepared with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.schema import ObjectType, PayloadSchema, type_text


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field: dotted name, meaning, why it is collected, type, example, and where it comes from."""

    name: str
    meaning: str
    why: str
    type: str
    example: Any
    source: str


def field_dictionary() -> tuple[FieldEntry, ...]:
    """Return an entry for each field that can be sent, nested ones after the object that holds them."""
    return entries(current_schema())


def entries(schema: PayloadSchema) -> tuple[FieldEntry, ...]:
    """Return an entry for each field of a schema, nested ones after the object that holds them."""
    return tuple(_entries(schema.root, ""))


def _entries(declared: ObjectType, prefix: str) -> Iterator[FieldEntry]:
    for field in declared.fields:
        yield FieldEntry(
            name=prefix + field.name,
            meaning=field.meaning,
            why=field.why,
            type=type_text(field.type, nullable=field.nullable),
            example=field.example,
            source=field.source,
        )
        if isinstance(field.type, ObjectType):
            yield from _entries(field.type, f"{prefix}{field.name}.")

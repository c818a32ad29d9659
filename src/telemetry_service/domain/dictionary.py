"""The field dictionary, generated from the payload's own schema.

The API, the settings tab and the documentation show it. A field without a complete entry is an error here, so no field
can be added silently.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.payload import TelemetryAggregatePayload


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
    """Return an entry for each field of the payload, nested ones after the object that holds them."""
    schema = TelemetryAggregatePayload.model_json_schema()
    return tuple(_entries(schema, schema["$defs"], prefix=""))


def _entries(schema: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[FieldEntry]:
    for name, declared in schema["properties"].items():
        # Pydantic omits a description that equals that of the type it refers to.
        target = _resolve(declared, definitions)
        yield FieldEntry(
            name=prefix + name,
            meaning=declared.get("description") or target["description"],
            why=declared["why"],
            type=_type_of(declared, definitions),
            example=declared["examples"][0],
            source=declared["source"],
        )
        if target.get("type") == "object":
            yield from _entries(target, definitions, prefix=f"{prefix}{name}.")


def _resolve(declared: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = declared.get("$ref")
    resolved: dict[str, Any] = definitions[reference.rpartition("/")[2]] if reference else declared
    return resolved


def _type_of(declared: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Write a type so that a reader sees which values it allows."""
    if "anyOf" in declared:
        return " or ".join(_type_of(option, definitions) for option in declared["anyOf"])
    target = _resolve(declared, definitions)
    if "enum" in target:
        return "one of " + ", ".join(target["enum"])
    match target["type"]:
        case "integer":
            return f"integer {target['minimum']} … {target['maximum']}"
        case "string":
            return f"string {target['pattern']}"
        case "array":
            return f"up to {target['maxItems']} of: {_type_of(target['items'], definitions)}"
        case other:
            return str(other)

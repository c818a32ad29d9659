"""Shapes the types of the description so that generated clients also work with the next release.

What comes in is closed. Responses are open: members may be added, and values to most enums. So each generator makes
types that read the responses of a later version.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from telemetry_service.domain.configuration import Retention
from telemetry_service.domain.facts import Environment
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import Trigger
from telemetry_service.identity.scopes import Scope
from telemetry_service.schemas.base import COMPONENT

SCHEMAS = "#/components/schemas/"
CLOSED_ENUMS = frozenset(kind.__name__ for kind in (Environment, Frequency, OpenPeriod, Scope, Trigger))
"""A new value of these, or of the retention, is a new version of the API. No two of them share a value: Go has one
name space for all."""

RETENTION_DAYS = "RetentionDays"
_RETENTION = {
    "type": "integer",
    "enum": [days.value for days in Retention],
    "x-enum-varnames": [f"DAYS_{days.value}" for days in Retention],
    "title": RETENTION_DAYS,
    "description": "Days for which telemetry is kept locally.",
}
_GROWS = "New values may be added without a new version of the API; take an unknown one as text."
_PAYLOAD = TelemetryAggregatePayload.__name__
_NOT_SHOWN = ("why", "source", "pattern", "minimum", "maximum", "maxLength", "maxItems")
"""The dictionary has the first two. The others bind what this version sends, not what another one has stored."""

Schema = dict[str, Any]


def shape(description: Schema) -> None:
    """Shape a whole description, in place."""
    schemas = description["components"]["schemas"]
    schemas[RETENTION_DAYS] = dict(_RETENTION)
    _add_payload(schemas)
    _name_enums(schemas)
    _simplify_parameters(description["paths"])
    incoming = _reachable(schemas, list(_incoming(description["paths"])))
    _open(schemas[name] for name in schemas.keys() - incoming)
    _let_enums_grow(description, incoming)
    for schema in every_schema(description):
        if schema.get("type") == "integer":
            schema.setdefault("format", "int64")


def every_schema(node: Any) -> Iterator[Schema]:  # noqa: ANN401 - any JSON value
    """Yield every object of a JSON value, itself included, but for the examples."""
    if isinstance(node, dict):
        yield node
    members = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for member in members:
        if member is not None and not (isinstance(node, dict) and member is node.get("examples")):
            yield from every_schema(member)


def _add_payload(schemas: Schema) -> None:
    """Add the payload as a component, and let the members that show one refer to it."""
    payload = TypeAdapter(TelemetryAggregatePayload).json_schema(ref_template=f"{SCHEMAS}{{model}}")
    for name, schema in {**payload.pop("$defs"), _PAYLOAD: payload}.items():
        for member in every_schema(schema):
            for word in _NOT_SHOWN:
                member.pop(word, None)
        schemas.setdefault(name, schema)
    payload["required"].remove("transmitted_at")
    payload["description"] = (
        "The payload. As stored, it has no `transmitted_at`. In a preview, `customer_id` is null if it cannot be shown."
    )
    customer = payload["properties"]["customer_id"]
    customer["anyOf"] = [{"type": customer.pop("type")}, {"type": "null"}]
    for schema in list(every_schema(schemas)):
        if (name := schema.pop(COMPONENT, None)) is not None:
            schema.clear()
            schema["$ref"] = SCHEMAS + name


def _name_enums(schemas: Schema) -> None:
    """Let each enum that stands inside another schema refer to the component with the same values."""
    named = {tuple(schema["enum"]): name for name, schema in schemas.items() if "enum" in schema}
    components = [id(schema) for schema in schemas.values()]
    for schema in every_schema(schemas):
        if id(schema) not in components and isinstance(schema.get("enum"), list):
            name = named[tuple(schema["enum"])]
            schema.clear()
            schema["$ref"] = SCHEMAS + name


def _simplify_parameters(paths: Schema) -> None:
    """A parameter can be missing, but has no null."""
    for call in _calls(paths):
        for parameter in call.get("parameters", ()):
            alternatives = parameter["schema"].pop("anyOf", ())
            parameter["schema"] |= next((one for one in alternatives if one != {"type": "null"}), {})


def _calls(paths: Schema) -> Iterator[Schema]:
    for path in paths.values():
        yield from path.values()


def _incoming(paths: Schema) -> Iterator[Schema]:
    for call in _calls(paths):
        yield call.get("requestBody", {})
        yield from call.get("parameters", ())


def _reachable(schemas: Schema, start: list[Schema]) -> set[str]:
    """Return the names of the components that something refers to, directly or not."""
    found: set[str] = set()
    while start:
        for name in _references(start.pop()) - found:
            found.add(name)
            start.append(schemas[name])
    return found


def _references(node: Schema) -> set[str]:
    references = (schema.get("$ref") for schema in every_schema(node))
    return {ref.removeprefix(SCHEMAS) for ref in references if isinstance(ref, str)}


def _open(answers: Iterator[Schema]) -> None:
    """Allow members that a later version adds. Go's generator takes a schema that does not say so for a closed one."""
    for schema in answers:
        if "properties" in schema:
            schema["additionalProperties"] = True


def _let_enums_grow(description: Schema, incoming: set[str]) -> None:
    """List the values of an enum that may grow without closing it. Where it comes in, only these are taken."""
    schemas = description["components"]["schemas"]
    growing = {name for name, schema in schemas.items() if "enum" in schema} - CLOSED_ENUMS - {RETENTION_DAYS}
    patterns = {}
    for name in growing:
        values = schemas[name].pop("enum")
        patterns[SCHEMAS + name] = f"^({'|'.join(values)})$"
        schemas[name]["x-extensible-enum"] = values
        schemas[name]["description"] = f"{schemas[name].get('description', name)} {_GROWS}"
    for node in [*_incoming(description["paths"]), *(schemas[name] for name in incoming)]:
        for schema in every_schema(node):
            if schema.get("$ref") in patterns:
                schema["pattern"] = patterns[schema["$ref"]]

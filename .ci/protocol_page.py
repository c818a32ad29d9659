"""Writes what the pages about the wire protocol have from the code; with --check it only says whether it is current.

The table of the conformance checks in docs/protocol.md, and docs/protocol/payload.schema.json.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from telemetry_service.conformance.run import CHECKS
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.rules import Distinct, NotAbove, Sum
from telemetry_service.domain.payload_schemas.schema import (
    BooleanType,
    EnumType,
    IntegerType,
    ListType,
    ObjectType,
    TextType,
    ValueType,
)
from written import ROOT, between, write_or_check

PAGE, SCHEMA = ROOT / "docs" / "protocol.md", ROOT / "docs" / "protocol" / "payload.schema.json"

_KINDS = {Sum: "sum", NotAbove: "not_above", Distinct: "distinct"}


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| check | sentence of the protocol |\n|---|---|\n"
    yield from (f"| `{check.name}` | {check.sentence} |\n" for check in CHECKS)


def schema() -> str:
    """Return the JSON Schema of the payload as sent."""
    current = current_schema()
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:control-core:telemetry:payload",
        "title": "The payload",
        "$comment": f"Of the published schema {current.sha256}. x-rules: what holds between fields.",
    }
    return json.dumps({**described, **json_schema(current.root)}, indent=2, ensure_ascii=False) + "\n"


def json_schema(allowed: ValueType) -> dict[str, Any]:
    """Return a type in JSON Schema."""
    match allowed:
        case IntegerType():
            return {"type": "integer", "minimum": allowed.minimum, "maximum": allowed.maximum}
        case BooleanType():
            return {"type": "boolean"}
        case EnumType():
            return {"enum": list(allowed.values)}
        case TextType():
            longest = {} if allowed.max_length is None else {"maxLength": allowed.max_length}
            return {"type": "string", "pattern": "|".join(f"({text})" for text in allowed.patterns), **longest}
        case ListType():
            return {"type": "array", "maxItems": allowed.max_items, "items": json_schema(allowed.items)}
        case ObjectType():
            return _object(allowed)


def _object(allowed: ObjectType) -> dict[str, Any]:
    properties = {}
    for field in allowed.fields:
        inner = json_schema(field.type)
        typed = {"anyOf": [{"type": "null"}, inner]} if field.nullable else inner
        properties[field.name] = {"description": field.meaning, **typed}
    rules = [{"kind": _KINDS[type(rule)], **asdict(rule)} for rule in allowed.rules]
    closed = {"type": "object", "additionalProperties": False, "required": [field.name for field in allowed.fields]}
    return {**closed, "properties": properties, **({"x-rules": rules} if rules else {})}


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: between(PAGE.read_text(), "The checks", table()), SCHEMA: schema()}))

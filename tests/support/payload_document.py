"""Writes the schema document of a payload's model, and puts it among the published ones.

Pydantic describes the models here, at development time; the service only ever reads the documents.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import BaseModel

from telemetry_service.domain.payload_schemas.parse import FORMAT
from telemetry_service.domain.payload_schemas.published import FOLDER, INDEX
from telemetry_service.domain.payload_schemas.rules import Distinct, NotAbove, Rule, Sum

Json = dict[str, Any]

_PROSE = frozenset({"title", "description", "examples", "why", "source"})


def document_of(sent: type[BaseModel], prepared: type[BaseModel]) -> bytes:
    """Return the canonical document of a payload: as sent, and as stored before an attempt adds its fields."""
    schema = sent.model_json_schema()
    return rfc8785.dumps(
        {
            "format": FORMAT,
            **_object(sent, schema, schema["$defs"]),
            "attempt_fields": [name for name in sent.model_fields if name not in prepared.model_fields],
        }
    )


def publish(document: bytes, folder: Path = FOLDER) -> None:
    """Make a document the current one; the one before stays if a release contains it."""
    index = json.loads((folder / INDEX).read_bytes())
    sha256 = hashlib.sha256(document).hexdigest()
    if index["current"] not in {sha256, *index["released"].values()}:
        (folder / f"{index['current']}.json").unlink(missing_ok=True)
    (folder / f"{sha256}.json").write_bytes(document)
    (folder / INDEX).write_text(json.dumps(index | {"current": sha256}, indent=2) + "\n")


def _object(model: type[BaseModel], schema: Json, definitions: Json) -> Json:
    assert schema["additionalProperties"] is False, model
    return {
        "fields": [_field(model, name, declared, definitions) for name, declared in schema["properties"].items()],
        "rules": [_rule(rule) for rule in getattr(model, "rules", ())],
    }


def _field(model: type[BaseModel], name: str, declared: Json, definitions: Json) -> Json:
    options = declared.get("anyOf", [declared])
    (option,) = (option for option in options if option.get("type") != "null")
    nested = model.model_fields[name].annotation
    return {
        "name": name,
        "type": _type(nested, _resolve(option, definitions), definitions),
        "nullable": len(options) > 1,
        "meaning": model.model_fields[name].description,
        "why": declared["why"],
        "source": declared["source"],
        "example": declared["examples"][0],
    }


def _resolve(declared: Json, definitions: Json) -> Json:
    resolved: Json = definitions[declared["$ref"].rpartition("/")[2]] if "$ref" in declared else declared
    return resolved


def _type(annotation: Any, schema: Json, definitions: Json) -> Json:  # noqa: ANN401 - any type
    stated = {name: value for name, value in schema.items() if name not in _PROSE}
    match stated.pop("type"), stated:
        case "object", _:
            return {"kind": "object", **_object(annotation, schema, definitions)}
        case "string", {"enum": values, **more} if not more:
            return {"kind": "enum", "values": values}
        case "integer", {"minimum": minimum, "maximum": maximum, **more} if not more:
            return {"kind": "integer", "minimum": minimum, "maximum": maximum}
        case "string", {"pattern": pattern, **more} if more.keys() <= {"maxLength"}:
            return {"kind": "text", "patterns": _alternatives(pattern), "max_length": more.get("maxLength")}
        case "boolean", {**more} if not more:
            return {"kind": "boolean"}
        case "array", {"items": items, "maxItems": max_items, **more} if not more:
            item = _type(None, _resolve(items, definitions), definitions)
            return {"kind": "list", "items": item, "max_items": max_items}
        case _:
            msg = f"a schema document cannot express this: {schema}"
            raise TypeError(msg)


def _alternatives(pattern: str) -> list[str]:
    """Return the anchored patterns that ``pattern`` joins."""
    parts = [f"^{part}$" for part in pattern.removeprefix("^").removesuffix("$").split("$|^")]
    assert "|".join(parts) == pattern, "anchor each alternative"
    return parts


def _rule(rule: Rule) -> Json:
    match rule:
        case Sum():
            return {"kind": "sum", "parts": list(rule.parts), "total": rule.total, "meaning": rule.meaning}
        case NotAbove():
            return {"kind": "not_above", "smaller": rule.smaller, "larger": rule.larger, "meaning": rule.meaning}
        case Distinct():
            return {"kind": "distinct", "name": rule.name, "meaning": rule.meaning}

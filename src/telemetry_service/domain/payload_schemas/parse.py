"""Reads a schema document strictly: an unknown member, kind, or format is an error, never skipped.

A schema that was read cannot make a check fail: patterns compile, and rules name fields of the kind that they need.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from telemetry_service.domain.payload_schemas.rules import Distinct, NotAbove, Rule, Sum
from telemetry_service.domain.payload_schemas.schema import (
    BooleanType,
    EnumType,
    IntegerType,
    ListType,
    ObjectType,
    PayloadSchema,
    SchemaField,
    TextType,
    ValueType,
)

FORMAT = "control-core-telemetry-payload-schema/1"


def parse_schema(raw: bytes) -> PayloadSchema:
    """Return the schema of a document, named by the digest of exactly these bytes.

    Raises:
        ValueError: it is not a schema document of this format.
    """
    try:
        return _schema(json.loads(raw.decode()), hashlib.sha256(raw).hexdigest())
    except (AttributeError, LookupError, TypeError, re.error, RecursionError) as wrong:
        msg = f"this is not a payload schema: {wrong!r}"
        raise ValueError(msg) from None


def _schema(document: Any, sha256: str) -> PayloadSchema:  # noqa: ANN401 - any JSON value
    stated, fields, rules, added = _members(document, "format", "fields", "rules", "attempt_fields")
    if stated != FORMAT:
        raise ValueError("a payload schema of another format")
    root = _object({"fields": fields, "rules": rules})
    if not set(added) <= {field.name for field in root.fields}:
        raise ValueError("an attempt adds a field that the schema lacks")
    stored = tuple(field for field in root.fields if field.name not in added)
    kept = tuple(rule for rule in root.rules if not set(rule.names) & set(added))
    return PayloadSchema(sha256, root, ObjectType(stored, kept))


def _members(document: Any, *names: str) -> tuple[Any, ...]:  # noqa: ANN401 - any JSON value
    if not isinstance(document, dict) or set(document) != set(names):
        msg = f"expected exactly {', '.join(names)}"
        raise ValueError(msg)
    return tuple(document[name] for name in names)


def _object(document: Any) -> ObjectType:  # noqa: ANN401 - any JSON value
    fields, rules = _members(document, "fields", "rules")
    read = tuple(_field(field) for field in fields)
    if len({field.name for field in read}) != len(read):
        raise ValueError("two fields have one name")
    return ObjectType(read, tuple(_fitting(_rule(rule), read) for rule in rules))


def _field(document: Any) -> SchemaField:  # noqa: ANN401 - any JSON value
    names = ("name", "type", "nullable", "meaning", "why", "source", "example")
    name, allowed, nullable, meaning, why, source, example = _members(document, *names)
    return SchemaField(_text(name), _type(allowed), _flag(nullable), _text(meaning), _text(why), _text(source), example)


def _type(document: Any) -> ValueType:  # noqa: ANN401 - any JSON value
    stated = dict(document)
    match stated.pop("kind"):
        case "integer":
            minimum, maximum = _members(stated, "minimum", "maximum")
            return IntegerType(_integer(minimum), _integer(maximum))
        case "boolean":
            _members(stated)
            return BooleanType()
        case "list":
            items, max_items = _members(stated, "items", "max_items")
            return ListType(_item(items), _integer(max_items))
        case "object":
            return _object(stated)
        case _:
            return _item(document)


def _item(document: Any) -> TextType | EnumType:  # noqa: ANN401 - any JSON value
    stated = dict(document)
    match stated.pop("kind"):
        case "text":
            patterns, max_length = _members(stated, "patterns", "max_length")
            limit = None if max_length is None else _integer(max_length)
            return TextType(tuple(re.compile(_text(pattern)).pattern for pattern in patterns), limit)
        case "enum":
            (values,) = _members(stated, "values")
            return EnumType(tuple(_text(value) for value in values))
        case _:
            raise ValueError("a type of an unknown kind")


def _rule(document: Any) -> Rule:  # noqa: ANN401 - any JSON value
    stated = dict(document)
    match stated.pop("kind"):
        case "sum":
            parts, total, meaning = _members(stated, "parts", "total", "meaning")
            return Sum(tuple(parts), total, _text(meaning))
        case "not_above":
            smaller, larger, meaning = _members(stated, "smaller", "larger", "meaning")
            return NotAbove(smaller, larger, _text(meaning))
        case "distinct":
            name, meaning = _members(stated, "name", "meaning")
            return Distinct(name, _text(meaning))
        case _:
            raise ValueError("a rule of an unknown kind")


def _fitting(rule: Rule, fields: Sequence[SchemaField]) -> Rule:
    needed = ListType if isinstance(rule, Distinct) else IntegerType
    fitting = {field.name for field in fields if isinstance(field.type, needed) and not field.nullable}
    if not set(rule.names) <= fitting:
        raise ValueError("a rule does not fit its fields")
    return rule


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - any JSON value
    if type(value) is not int:
        raise TypeError("expected an integer")
    return value


def _flag(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value

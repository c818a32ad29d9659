"""Checks a payload against a published schema. The schema is closed: what it does not name is refused.

Accepts any value that JSON can express and never fails. A problem contains neither a value nor a name that the sender
chose.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry_service.domain.payload_schemas.schema import (
    BooleanType,
    EnumType,
    IntegerType,
    ListType,
    ObjectType,
    PayloadSchema,
    TextType,
    ValueType,
)


class Violation(StrEnum):
    """What a value does wrong."""

    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    RANGE = "range"
    LENGTH = "length"
    PATTERN = "pattern"
    ENUM = "enum"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Problem:
    """A violation and its place: a dotted name, empty for the payload itself. An extra field counts for its object."""

    field: str
    violation: Violation


def check(schema: PayloadSchema, document: Any) -> tuple[Problem, ...]:  # noqa: ANN401 - any JSON value
    """Return what is wrong with a payload as sent; nothing if it is valid."""
    return tuple(_value(schema.root, document, ""))


def check_prepared(schema: PayloadSchema, document: Any) -> tuple[Problem, ...]:  # noqa: ANN401 - any JSON value
    """Return what is wrong with a payload as stored, without the fields that each attempt adds."""
    return tuple(_value(schema.prepared, document, ""))


def only_listed(allowed: ObjectType, document: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an object that its schema names, and nothing else of it."""
    listed = {field.name: field.type for field in allowed.fields if field.name in document}
    return {
        name: only_listed(inner, document[name])
        if isinstance(inner, ObjectType) and isinstance(document[name], dict)
        else document[name]
        for name, inner in listed.items()
    }


def _value(allowed: ValueType, value: Any, place: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON value
    match allowed:
        case ObjectType():
            yield from _object(allowed, value, place)
        case ListType():
            yield from _list(allowed, value, place)
        case _:
            if violation := _scalar(allowed, value):
                yield Problem(place, violation)


def _object(allowed: ObjectType, value: Any, place: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        yield Problem(place, Violation.TYPE)
        return
    problems = list(_fields(allowed, value, f"{place}." if place else ""))
    yield from problems
    if value.keys() - {field.name for field in allowed.fields}:
        yield Problem(place, Violation.EXTRA)
    if problems:
        return  # A rule needs fields that are valid on their own.
    yield from (Problem(place, Violation.RULE) for rule in allowed.rules if not rule.holds(value))


def _fields(allowed: ObjectType, value: dict[str, Any], prefix: str) -> Iterator[Problem]:
    for field in allowed.fields:
        place = prefix + field.name
        if field.name not in value:
            yield Problem(place, Violation.MISSING)
        elif not (field.nullable and value[field.name] is None):
            yield from _value(field.type, value[field.name], place)


def _list(allowed: ListType, value: Any, place: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list):
        yield Problem(place, Violation.TYPE)
    elif len(value) > allowed.max_items:
        yield Problem(place, Violation.LENGTH)
    else:
        for index, item in enumerate(value):
            if violation := _scalar(allowed.items, item):
                yield Problem(f"{place}.{index}", violation)


def _scalar(
    allowed: IntegerType | TextType | EnumType | BooleanType,
    value: Any,  # noqa: ANN401 - any JSON value
) -> Violation | None:
    match allowed:
        case BooleanType():
            return None if isinstance(value, bool) else Violation.TYPE
        case IntegerType():
            return _integer(allowed, value)
        case TextType():
            return _text(allowed, value)
        case EnumType():
            return None if value in allowed.values else Violation.ENUM


def _integer(allowed: IntegerType, value: Any) -> Violation | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, int) or isinstance(value, bool):  # To Python, true is an integer.
        return Violation.TYPE
    return None if allowed.minimum <= value <= allowed.maximum else Violation.RANGE


def _text(allowed: TextType, value: Any) -> Violation | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str):
        return Violation.TYPE
    if allowed.max_length is not None and len(value) > allowed.max_length:
        return Violation.LENGTH
    return None if any(re.fullmatch(pattern, value) for pattern in allowed.patterns) else Violation.PATTERN

"""What one schema allows and another does not, field by field. Prose and order do not count.

Where two types cannot be compared (a new pattern, another kind of value), the change counts as widened and as narrowed,
so that nothing new is ever taken for old.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.domain.payload_schemas.rules import Rule, Sum
from telemetry_service.domain.payload_schemas.schema import (
    EnumType,
    IntegerType,
    ListType,
    ObjectType,
    PayloadSchema,
    SchemaField,
    TextType,
    ValueType,
    type_text,
)


class ChangeKind(StrEnum):
    """How a field changed."""

    ADDED = "added"
    REMOVED = "removed"
    WIDENED = "widened"
    """It allows values that it did not allow."""
    NARROWED = "narrowed"
    """It no longer allows all values that it did."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one field."""

    field: str
    """Dotted name; for a rule, the names of its fields, separated by commas."""
    kind: ChangeKind
    before: str | None
    """What was allowed, in words; None for what is new."""
    after: str | None
    """What is allowed, in words; None for what is gone."""


def difference(old: PayloadSchema, new: PayloadSchema) -> tuple[Change, ...]:
    """Return what changed from ``old`` to ``new``, in the order of the new fields, removed ones after them."""
    return tuple(_objects(old.root, new.root, ""))


def adds_or_widens(old: PayloadSchema, new: PayloadSchema) -> bool:
    """Whether a payload of ``new`` can contain anything that one of ``old`` could not."""
    return any(change.kind in {ChangeKind.ADDED, ChangeKind.WIDENED} for change in difference(old, new))


def _objects(old: ObjectType, new: ObjectType, prefix: str) -> Iterator[Change]:
    before = {field.name: field for field in old.fields}
    after = {field.name: field for field in new.fields}
    for name, field in after.items():
        if name in before:
            yield from _changed(before[name], field, prefix + name)
        else:
            yield from _whole(field, prefix + name, ChangeKind.ADDED)
    for name, field in before.items():
        if name not in after:
            yield from _whole(field, prefix + name, ChangeKind.REMOVED)
    common = before.keys() & after.keys()
    yield from _rules(old.rules, new.rules, common, prefix, ChangeKind.WIDENED)
    yield from _rules(new.rules, old.rules, common, prefix, ChangeKind.NARROWED)


def _whole(field: SchemaField, place: str, kind: ChangeKind) -> Iterator[Change]:
    """Yield a field that only one schema has, and the fields in it."""
    text = type_text(field.type, nullable=field.nullable)
    yield Change(place, kind, *((None, text) if kind is ChangeKind.ADDED else (text, None)))
    if isinstance(field.type, ObjectType):
        for inner in field.type.fields:
            yield from _whole(inner, f"{place}.{inner.name}", kind)


def _changed(old: SchemaField, new: SchemaField, place: str) -> Iterator[Change]:
    before, after = (type_text(field.type, nullable=field.nullable) for field in (old, new))
    if _allows_more(old, new):
        yield Change(place, ChangeKind.WIDENED, before, after)
    if _allows_more(new, old):
        yield Change(place, ChangeKind.NARROWED, before, after)
    if isinstance(old.type, ObjectType) and isinstance(new.type, ObjectType):
        yield from _objects(old.type, new.type, f"{place}.")
    elif isinstance(new.type, ObjectType):
        for inner in new.type.fields:
            yield from _whole(inner, f"{place}.{inner.name}", ChangeKind.ADDED)
    elif isinstance(old.type, ObjectType):
        for inner in old.type.fields:
            yield from _whole(inner, f"{place}.{inner.name}", ChangeKind.REMOVED)


def _allows_more(old: SchemaField, new: SchemaField) -> bool:
    return (new.nullable and not old.nullable) or not _includes(old.type, new.type)


def _includes(outer: ValueType, inner: ValueType) -> bool:
    """Whether every value of ``inner`` is surely one of ``outer``. Two objects are compared by their fields."""
    match outer, inner:
        case IntegerType(), IntegerType():
            return outer.minimum <= inner.minimum and inner.maximum <= outer.maximum
        case TextType(), TextType():
            return set(inner.patterns) <= set(outer.patterns) and _limit(inner) <= _limit(outer)
        case TextType(), EnumType():
            return all(_matches(outer, value) for value in inner.values)
        case EnumType(), EnumType():
            return set(inner.values) <= set(outer.values)
        case ListType(), ListType():
            return inner.max_items <= outer.max_items and _includes(outer.items, inner.items)
        case _:
            return type(outer) is type(inner)


def _limit(text: TextType) -> float:
    return float("inf") if text.max_length is None else text.max_length


def _matches(text: TextType, value: str) -> bool:
    return len(value) <= _limit(text) and any(re.fullmatch(pattern, value) for pattern in text.patterns)


def _rules(
    having: tuple[Rule, ...], lacking: tuple[Rule, ...], common: set[str], prefix: str, kind: ChangeKind
) -> Iterator[Change]:
    """Yield the rules that only one side has. A rule about a field that only one schema has is part of that field."""
    there = {_essence(rule) for rule in lacking}
    for rule in having:
        if _essence(rule) not in there and common >= set(rule.names):
            place = ", ".join(prefix + name for name in rule.names)
            text = (rule.meaning, None) if kind is ChangeKind.WIDENED else (None, rule.meaning)
            yield Change(place, kind, *text)


def _essence(rule: Rule) -> tuple[object, ...]:
    """Return a rule without its prose and without the order of its parts."""
    if isinstance(rule, Sum):
        return Sum, frozenset(rule.parts), rule.total
    return type(rule), *rule.names

"""A published schema as frozen values. ``parse.py`` reads them from a document and makes sure that they fit."""

from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.payload_schemas.rules import Rule


@dataclass(frozen=True, slots=True)
class IntegerType:
    """An integer; both bounds are included."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class TextType:
    """A text that matches one of the patterns from its beginning to its end."""

    patterns: tuple[str, ...]
    max_length: int | None
    """In Unicode code points; None if only the patterns limit it."""


@dataclass(frozen=True, slots=True)
class EnumType:
    """One of these texts."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BooleanType:
    """True or false."""


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of texts."""

    items: TextType | EnumType
    max_items: int


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A closed object: it has exactly these fields, and keeps the rules between them."""

    fields: "tuple[SchemaField, ...]"
    rules: tuple[Rule, ...]


ValueType = IntegerType | TextType | EnumType | BooleanType | ListType | ObjectType


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A field: the values that it allows, and its entry in the dictionary."""

    name: str
    type: ValueType
    nullable: bool
    meaning: str
    why: str
    source: str
    example: Any


@dataclass(frozen=True, slots=True)
class PayloadSchema:
    """A published schema of the payload."""

    sha256: str
    """Hex digest of the document's bytes."""
    root: ObjectType
    """The payload as sent."""
    prepared: ObjectType
    """The payload as stored: without the fields that each attempt adds."""


def type_text(allowed: ValueType, *, nullable: bool = False) -> str:
    """Write a type so that a reader sees which values it allows."""
    return f"{_text_of(allowed)} or null" if nullable else _text_of(allowed)


def _text_of(allowed: ValueType) -> str:
    match allowed:
        case IntegerType():
            return f"integer {allowed.minimum} … {allowed.maximum}"
        case TextType():
            return f"string {'|'.join(allowed.patterns)}"
        case EnumType():
            return "one of " + ", ".join(allowed.values)
        case BooleanType():
            return "boolean"
        case ListType():
            return f"up to {allowed.max_items} of: {_text_of(allowed.items)}"
        case ObjectType():
            return "object"

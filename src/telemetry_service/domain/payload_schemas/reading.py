"""Reads stored payloads by the schema of their digest: their fields in order, or why they cannot be read.

Nothing here fails for what a row contains: an unreadable payload is a value like any other.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry, entries
from telemetry_service.domain.payload_schemas.check import Problem, check, check_prepared
from telemetry_service.domain.payload_schemas.schema import PayloadSchema


class Reason(StrEnum):
    """Why a payload cannot be read."""

    SCHEMA_UNKNOWN = "schema-unknown"
    JSON_MALFORMED = "json-malformed"
    SCHEMA_VIOLATED = "schema-violated"


_SENTENCES = {
    Reason.SCHEMA_UNKNOWN: "This version does not know the schema of this payload; a newer version may have stored it.",
    Reason.JSON_MALFORMED: "The stored payload cannot be read: it is not JSON.",
    Reason.SCHEMA_VIOLATED: "The stored payload cannot be read: it does not match its schema.",
}


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field of a payload: its entry in the dictionary of its schema, and its value."""

    entry: FieldEntry
    value: Any


@dataclass(frozen=True, slots=True)
class ReadPayload:
    """A payload that matches its schema."""

    schema: PayloadSchema
    members: dict[str, Any]

    @property
    def fields(self) -> tuple[ShownField, ...]:
        """The fields in the order of the schema."""
        return shown_fields(self.schema, self.members)


@dataclass(frozen=True, slots=True)
class UnreadablePayload:
    """A payload that cannot be read. Contains nothing of it."""

    reason: Reason
    problems: tuple[Problem, ...] = ()

    @property
    def sentence(self) -> str:
        """Why, as a sentence that may be shown to anyone."""
        return _SENTENCES[self.reason]


def read_sent(raw: bytes | str, schema: PayloadSchema | None) -> ReadPayload | UnreadablePayload:
    """Read a payload as sent; ``schema`` is the one of its digest, or None if that is unknown."""
    return _read(raw, schema, prepared=False)


def read_prepared(raw: bytes | str, schema: PayloadSchema | None) -> ReadPayload | UnreadablePayload:
    """Read a payload as stored, without the fields that each attempt adds; see ``read_sent``."""
    return _read(raw, schema, prepared=True)


def shown_fields(schema: PayloadSchema, members: Mapping[str, Any]) -> tuple[ShownField, ...]:
    """Return the fields of a payload in the order of its schema, without those that it lacks.

    Objects are omitted: their fields contain everything.
    """
    return tuple(_shown(schema, members))


def _read(raw: bytes | str, schema: PayloadSchema | None, *, prepared: bool) -> ReadPayload | UnreadablePayload:
    if schema is None:
        return UnreadablePayload(Reason.SCHEMA_UNKNOWN)
    try:
        document = _parse(raw)
    except (ValueError, RecursionError):
        return UnreadablePayload(Reason.JSON_MALFORMED)
    problems = (check_prepared if prepared else check)(schema, document)
    return UnreadablePayload(Reason.SCHEMA_VIOLATED, problems) if problems else ReadPayload(schema, document)


def _parse(raw: bytes | str) -> Any:  # noqa: ANN401 - it is whatever the JSON says
    text = raw.decode() if isinstance(raw, bytes) else raw
    return json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _shown(schema: PayloadSchema, members: Mapping[str, Any]) -> Iterator[ShownField]:
    for entry in entries(schema):
        value: Any = members
        for part in entry.name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                break
            value = value[part]
        else:
            if not isinstance(value, Mapping):
                yield ShownField(entry, value)

"""The exact payload, field by field: value, meaning, why it is collected, and what changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.pipeline.queries.preview import Preview, SealedDescription
from telemetry_service.web.tab.numbers import grouped, size

_UNKNOWN = "unknown"
_CODES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field with its dictionary entry."""

    name: str
    value: str
    nested: bool
    meaning: str
    why: str
    source: str
    type: str
    changed: bool
    before: str | None


@dataclass(frozen=True, slots=True)
class PayloadView:
    """The payload as fields, as JSON and as it would be sealed."""

    fields: tuple[FieldView, ...]
    json: str
    version: str
    """Names what is shown; empty where it could not be sent."""
    complete: bool
    """False where the customer id is not known yet."""
    changes: int
    compared_with: str | None
    sealed: SealedDescription | None
    sealed_size: str | None
    fault: str | None
    note: str | None
    """What becomes of it where it is not simply what would be sent now."""


def payload_view(preview: Preview) -> PayloadView:
    """Return the payload that would leave if the period ended at this moment."""
    payload = preview.payload or {}
    before = {change.name: change.before for change in preview.difference}
    entries = _entries(payload)
    return PayloadView(
        fields=tuple(_field(entry, payload, before) for entry in entries) if payload else (),
        json=pretty(payload),
        version=preview.version or "",
        complete=preview.customer_id_sent is not None,
        changes=len(before),
        compared_with=preview.last_accepted_id,
        sealed=preview.sealed,
        sealed_size=size(preview.sealed.body_bytes) if preview.sealed else None,
        fault=preview.fault.text if preview.fault and preview.enabled else None,
        note=preview.verdict.preview_note if preview.verdict.may.send_now else None,
    )


def pretty(payload: Mapping[str, Any]) -> str:
    """Write a payload for reading, in the order of its canonical form."""
    return json.dumps(payload, indent=2, sort_keys=True, ensure_ascii=False)


def described(payload: Mapping[str, Any]) -> tuple[FieldView, ...]:
    """Return the fields of a payload that was sent."""
    return tuple(_field(entry, payload, {}) for entry in _entries(payload))


def _entries(payload: Mapping[str, Any]) -> tuple[FieldEntry, ...]:
    """Leave out the objects themselves: their fields say all that is in them."""
    return tuple(e for e in field_dictionary() if not isinstance(_value(payload, e.name), dict))


def _field(entry: FieldEntry, payload: Mapping[str, Any], before: Mapping[str, Any]) -> FieldView:
    return FieldView(
        name=entry.name,
        value=_words(_value(payload, entry.name), unknown=entry.name == "customer_id"),
        nested="." in entry.name,
        meaning=entry.meaning,
        why=entry.why,
        source=entry.source,
        type=entry.type,
        changed=entry.name in before,
        before=_words(before[entry.name]) if entry.name in before else None,
    )


def _value(payload: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = payload
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _words(value: Any, *, unknown: bool = False) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return _UNKNOWN if unknown else "null"
        case bool():
            return "true" if value else "false"
        case int():
            return grouped(value)
        case list() | tuple():
            return codes_in_words([str(item) for item in value])
        case _:
            return str(value)


def codes_in_words(codes: Sequence[str]) -> str:
    """Name the first extension codes, and how many more there are."""
    if not codes:
        return "[] (none)"
    more = f" and {grouped(len(codes) - _CODES_SHOWN)} more" if len(codes) > _CODES_SHOWN else ""
    return ", ".join(codes[:_CODES_SHOWN]) + more

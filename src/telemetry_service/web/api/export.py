"""History and activity as files: CSV for spreadsheets, JSON Lines for programs. Written as they are read."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import StringIO

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.transmissions import UnreadableTransmission
from telemetry_service.pipeline.actions.export_history import Exported, ExportedDetail
from telemetry_service.pipeline.queries.ledger import LedgerEntry
from telemetry_service.schemas.ledger import LedgerEntryResponse
from telemetry_service.schemas.transmissions import (
    TransmissionDetailResponse,
    TransmissionResponse,
    UnreadableTransmissionResponse,
)

_Response = TransmissionResponse | UnreadableTransmissionResponse

COLUMNS = (
    "transmission_id",
    "created_at",
    "period_opened_at",
    "period_closed_at",
    "status",
    "state",
    "trigger",
    "records_sent",
    "response_code",
    "cause",
    "attempts_made",
    "last_attempt_at",
    "last_duration_ms",
    "next_attempt_at",
    "accepted_at",
    "receipt_verified",
)
"""Each is a field of the history's JSON. A cause is written as its code."""

ENTRY_COLUMNS = ("seq", "at", "kind", "actor_type", "actor", "source", "transmission_id", "details", "unreadable")
"""Of an entry of the ledger. ``details`` is the rest of what it says, as JSON."""
_NO_DETAILS = frozenset({"seq", "prev", "at", "kind", "actor", "source", "transmission_id"})

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(transmissions: Iterable[Exported]) -> Iterator[str]:
    """Yield a heading and a line for each transmission (RFC 4180)."""
    yield _line(COLUMNS)
    for response in map(_response, transmissions):
        yield _line(tuple(cell(_value(response, column)) for column in COLUMNS))


def json_lines(transmissions: Iterable[Exported]) -> Iterator[str]:
    """Yield one JSON object per line, in the shape of the history."""
    for response in map(_response, transmissions):
        yield response.model_dump_json() + "\n"


def detail_lines(transmissions: Iterable[ExportedDetail]) -> Iterator[str]:
    """Yield one JSON object per line, with payload, receipt and attempts: in the shape of a single transmission."""
    for one in transmissions:
        unreadable = isinstance(one, UnreadableTransmission)
        kind = UnreadableTransmissionResponse if unreadable else TransmissionDetailResponse
        yield kind.model_validate(one).model_dump_json() + "\n"


def entry_csv_lines(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Yield a heading and a line for each entry of the ledger (RFC 4180)."""
    yield _line(ENTRY_COLUMNS)
    for entry in entries:
        yield _line(tuple(cell(value) for value in _cells(entry)))


def entry_json_lines(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Yield one JSON object per line, in the shape of the ledger's list."""
    for entry in entries:
        yield LedgerEntryResponse.model_validate(entry).model_dump_json() + "\n"


def _cells(entry: LedgerEntry) -> tuple[object, ...]:
    said = entry.claims
    actor = said.get("actor")
    who: dict[str, object] = actor if isinstance(actor, dict) else {}
    details = {name: value for name, value in said.items() if name not in _NO_DETAILS}
    return (
        entry.seq,
        said.get("at"),
        said.get("kind"),
        who.get("type"),
        _plain(who.get("name") or who.get("id")),
        _plain(said.get("source")),
        said.get("transmission_id"),
        json.dumps(details, ensure_ascii=False) if details else None,
        entry.unreadable,
    )


def _plain(value: object) -> object:
    """Return a value, or nothing in place of the salted digest of one that is withheld."""
    return None if isinstance(value, dict) else value


def _response(exported: Exported) -> _Response:
    if isinstance(exported, UnreadableTransmission):
        return UnreadableTransmissionResponse.model_validate(exported)
    return TransmissionResponse.model_validate(exported)


def cell(value: object) -> str:
    """Write a value so that no spreadsheet treats it as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = rfc3339(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _value(response: _Response, column: str) -> object:
    if isinstance(response, UnreadableTransmissionResponse):
        known = {"transmission_id": response.transmission_id, "state": f"unreadable: {response.unreadable}"}
        return known.get(column)
    if column == "cause":
        return response.cause and response.cause.code
    return getattr(response, column)


def _line(cells: tuple[str, ...]) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()

"""The activity list: the ledger as people read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from telemetry_service.domain.ledger import Kind, resolved, salted_digests
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import StoredLine, UnreadableLine

_KINDS = {kind.value: kind for kind in Kind}
_ERASED, _CHANGED = "(erased)", "(changed)"
_SHOWN_ELSEWHERE = frozenset(
    {"seq", "prev", "at", "kind", "actor", "source", "transmission_id", "stamps", "stamps_before"}
)


@dataclass(frozen=True, slots=True)
class Activity:
    """An entry in words. The list shows what the ledger says; it does not verify it."""

    seq: int
    at: datetime | None
    """None if its row cannot be read."""
    kind: Kind | None
    """None if this version does not know it, or its row cannot be read."""
    actor: str
    source: str | None
    """The caller's address, if there was one."""
    transmission_id: UUID | None
    details: Mapping[str, Any]
    unreadable: str | None = None
    """The column that cannot be read, with its table; None if the whole row can be."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A page of the whole list, newest entry first."""

    entries: tuple[Activity, ...]
    newer: int | None
    """What the page with newer entries begins after; None if there are none."""
    older: int | None
    """What the page with older entries begins before; None if there are none."""


def page_activity(
    snapshot: Snapshot,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    kind: str | None = None,
    actor: str | None = None,
) -> ActivityPage:
    """Return the latest entries, those ``before`` one, or those right ``after`` one, by their numbers."""
    ledger = snapshot.tx.ledger
    if after is None:
        found = ledger.page(limit + 1, before=before, kind=kind, actor=actor)
        shown, more_older, more_newer = found[:limit], len(found) > limit, before is not None
    else:
        rising = ledger.page(limit + 1, after=after, kind=kind, actor=actor)
        shown, more_older, more_newer = rising[:limit][::-1], True, len(rising) > limit
    return ActivityPage(
        entries=read_entries(snapshot.tx, shown),
        newer=shown[0].seq if shown and more_newer else None,
        older=shown[-1].seq if shown and more_older else None,
    )


def list_activity(
    snapshot: Snapshot, limit: int = 50, before: int | None = None, kind: str | None = None, actor: str | None = None
) -> tuple[Activity, ...]:
    """Return the latest entries, newest first."""
    return read_entries(snapshot.tx, snapshot.tx.ledger.page(limit, before=before, kind=kind, actor=actor))


def read_entries(tx: Transaction, lines: Sequence[StoredLine | UnreadableLine]) -> tuple[Activity, ...]:
    """Return lines in words, with whatever their salted digests stand for."""
    said = [unverified(line.line or "") for line in lines]
    kept = tx.ledger.salted(salted_digests(said))
    words = (resolved(claims, kept, _ERASED, _CHANGED) for claims in said)
    return tuple(_activity(line, claims) for line, claims in zip(lines, words, strict=True))


def _activity(line: StoredLine | UnreadableLine, claims: Mapping[str, Any]) -> Activity:
    actor, source = claims.get("actor"), claims.get("source")
    details = {name: value for name, value in claims.items() if name not in _SHOWN_ELSEWHERE}
    who = _name(actor) if isinstance(actor, dict) else ""
    if isinstance(line, UnreadableLine):
        return Activity(line.seq, None, None, who, None, None, {}, line.column)
    return Activity(
        seq=line.seq,
        at=line.at,
        kind=_KINDS.get(line.kind),
        actor=who,
        source=None if source is None else str(source),
        transmission_id=line.transmission_id,
        details=details,
    )


def _name(actor: Mapping[str, Any]) -> str:
    named, kind = actor.get("name") or actor.get("id"), str(actor.get("type", ""))
    words = {"token": f"token:{named}", "command": f"cli ({named})", "stranger": "nobody"}
    return words.get(kind, str(named or kind))

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
from telemetry_service.storage.ledger import StoredLine

_KINDS = {kind.value: kind for kind in Kind}
_ERASED = "(erased)"
_SHOWN_ELSEWHERE = frozenset({"seq", "prev", "at", "kind", "actor", "source", "transmission_id"})


@dataclass(frozen=True, slots=True)
class Activity:
    """An entry in words. The list shows what the ledger says; it does not verify it."""

    seq: int
    at: datetime
    kind: Kind | None
    """None if this version does not know it."""
    actor: str
    source: str | None
    """The caller's address, if there was one."""
    transmission_id: UUID | None
    details: Mapping[str, Any]


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
        found = ledger.latest(limit + 1, before, kind, actor)
        shown, more_older, more_newer = found[:limit], len(found) > limit, before is not None
    else:
        rising = ledger.lines(after, limit + 1, kind, actor)
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
    return read_entries(snapshot.tx, snapshot.tx.ledger.latest(limit, before, kind, actor))


def read_entries(tx: Transaction, lines: Sequence[StoredLine]) -> tuple[Activity, ...]:
    """Return lines in words, with whatever their salted digests stand for."""
    said = [unverified(line.line) for line in lines]
    kept = tx.ledger.salted(salted_digests(said))
    return tuple(_activity(line, resolved(claims, kept, _ERASED)) for line, claims in zip(lines, said, strict=True))


def _activity(line: StoredLine, claims: Mapping[str, Any]) -> Activity:
    actor = claims.get("actor", {})
    return Activity(
        seq=line.seq,
        at=line.at,
        kind=_KINDS.get(line.kind),
        actor=_name(actor) if isinstance(actor, dict) else "",
        source=claims.get("source"),
        transmission_id=line.transmission_id,
        details={name: value for name, value in claims.items() if name not in _SHOWN_ELSEWHERE},
    )


def _name(actor: Mapping[str, str]) -> str:
    named, kind = actor.get("name") or actor.get("id"), actor.get("type", "")
    return {"token": f"token:{named}", "command": f"cli ({named})", "stranger": "nobody"}.get(kind, named or kind)

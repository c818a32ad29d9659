"""The activity list: the ledger as people read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from telemetry_service.domain.actor import PERSONAL, ActorKind
from telemetry_service.domain.ledger import Kind, LedgerFilter, Nobody, resolved, salted_digests
from telemetry_service.pipeline.queries.who import (
    CHANGED,
    ERASED,
    LOOKS_AT,
    KnownPerson,
    find_lines,
    name_of,
)
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import StoredLine, UnreadableLine

LOGINS = frozenset({Kind.LOGIN, Kind.LOGIN_FAILED, Kind.LOGIN_BLOCKED, Kind.LOGOUT})
_LOGINS_IN_A_ROW = 4
"""The most entries that are read for a row of a page: on average, so one row may hold many more."""
_ALL = LedgerFilter()
_KINDS = {kind.value: kind for kind in Kind}
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
    token: str | None = None
    """The ID of the service token that did it, which entries can be filtered by; None if no token did."""
    person: str | None = None
    """The ID of the person who did it, unless it is gone; entries can be filtered by this entry's number then."""
    unreadable: str | None = None
    """The column that cannot be read, with its table; None if the whole row can be."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A page of the whole list, newest first: each row is an entry, or several logins that follow one another."""

    rows: tuple[tuple[Activity, ...], ...]
    newer: int | None
    """What the page with newer entries begins after; None if there are none."""
    older: int | None
    """What the page with older entries begins before; None if there are none."""
    person: KnownPerson | None = None
    """The only person whose entries are shown; None if the filter names none, or leads to no one."""
    nobody: Nobody | None = None
    """Why the filter leads to no one."""
    looked_to: int | None = None
    """The entry at which the search for a person's entries stopped, from which the next page continues."""


def page_activity(
    snapshot: Snapshot,
    limit: int,
    which: LedgerFilter = _ALL,
    *,
    before: int | None = None,
    after: int | None = None,
    looks_at: int = LOOKS_AT,
) -> ActivityPage:
    """Return the latest rows, those ``before`` an entry, or those right ``after`` one, by their numbers."""
    most, rising = limit * _LOGINS_IN_A_ROW, after is not None
    found = find_lines(snapshot.tx, most + 1, which, before=before, after=after, looks_at=looks_at)
    rows = _folded(read_entries(snapshot.tx, found.lines[:most]), which)
    shown, more = rows[:limit], len(rows) > limit or len(found.lines) > most
    if rising:
        shown = [row[::-1] for row in reversed(shown)]
    has_newer, has_older = (more, True) if rising else (before is not None, more)
    page = ActivityPage(
        rows=tuple(shown),
        newer=shown[0][0].seq if shown and has_newer else None,
        older=shown[-1][-1].seq if shown and has_older else None,
        person=found.person if isinstance(found.person, KnownPerson) else None,
        nobody=found.person if isinstance(found.person, Nobody) else None,
    )
    return page if more or found.looked_to is None else _continued(page, found.looked_to, rising=rising)


def _continued(page: ActivityPage, looked_to: int, *, rising: bool) -> ActivityPage:
    """Let the next page begin where the search stopped, which may be far beyond the last row."""
    further = replace(page, newer=looked_to) if rising else replace(page, older=looked_to)
    return replace(further, looked_to=looked_to)


def _folded(entries: Sequence[Activity], which: LedgerFilter) -> list[tuple[Activity, ...]]:
    """Put logins that follow one another into one row, unless someone looks for entries of one kind."""
    if which.kind is not None:
        return [(it,) for it in entries]
    runs = groupby(entries, key=lambda it: it.kind in LOGINS)
    return [row for logins, run in runs for row in ([tuple(run)] if logins else [(it,) for it in run])]


def list_activity(
    snapshot: Snapshot, limit: int = 50, before: int | None = None, which: LedgerFilter = _ALL
) -> tuple[Activity, ...]:
    """Return the latest entries, newest first."""
    return read_entries(snapshot.tx, snapshot.tx.ledger.page(limit, before=before, which=which))


def read_entries(tx: Transaction, lines: Sequence[StoredLine | UnreadableLine]) -> tuple[Activity, ...]:
    """Return lines in words, with whatever their salted digests stand for."""
    said = [unverified(line.line or "") for line in lines]
    kept = tx.ledger.salted(salted_digests(said))
    words = (resolved(claims, kept, ERASED, CHANGED) for claims in said)
    return tuple(_activity(line, claims) for line, claims in zip(lines, words, strict=True))


def _activity(line: StoredLine | UnreadableLine, claims: Mapping[str, Any]) -> Activity:
    actor, source = claims.get("actor"), claims.get("source")
    details = {name: value for name, value in claims.items() if name not in _SHOWN_ELSEWHERE}
    who = name_of(actor) if isinstance(actor, dict) else ""
    if isinstance(line, UnreadableLine):
        return Activity(line.seq, None, None, who, None, None, {}, unreadable=line.column)
    return Activity(
        seq=line.seq,
        at=line.at,
        kind=_KINDS.get(line.kind),
        actor=who,
        source=None if source is None else str(source),
        transmission_id=line.transmission_id,
        details=details,
        token=_token(actor) if isinstance(actor, dict) else None,
        person=_person(actor) if isinstance(actor, dict) else None,
    )


def _token(actor: Mapping[str, Any]) -> str | None:
    return str(actor["id"]) if actor.get("type") == ActorKind.TOKEN and "id" in actor else None


def _person(actor: Mapping[str, Any]) -> str | None:
    named = str(actor.get("id", ERASED))
    return named if str(actor.get("type")) in PERSONAL and named not in {ERASED, CHANGED} else None

"""Who made entries, and what else they did: the ledger's index names no person, so entries are read to find theirs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from telemetry_service.domain.actor import PERSONAL
from telemetry_service.domain.ledger import LedgerFilter, Nobody, resolved, salted_digests
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import StoredLine, UnreadableLine

LOOKS_AT = 2_000
"""The most entries that a search for those of one person reads. The next search continues from there."""
ERASED, CHANGED = "(erased)", "(changed)"
"""What is shown in place of a salted value."""
_FEWEST_AT_ONCE = 100

Lines = Sequence[StoredLine | UnreadableLine]


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """The person who made an entry. Only kind and ID together identify them: two people may have the same name."""

    kind: str
    id: str
    shown: str


@dataclass(frozen=True, slots=True)
class FoundLines:
    """What a search found, in the order of its direction."""

    lines: Lines
    person: KnownPerson | Nobody | None = None
    """Whose entries were looked for; None if everyone's were."""
    looked_to: int | None = None
    """The entry at which the search stopped before it had found enough; None if it did not stop."""


def find_lines(
    tx: Transaction,
    limit: int,
    which: LedgerFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    looks_at: int = LOOKS_AT,
) -> FoundLines:
    """Return lines as the ledger's ``page`` does; if the filter names the entry of a person, only what that person did.

    A search for a person reads no more than ``looks_at`` entries.
    """
    if which.person is None:
        return FoundLines(tx.ledger.page(limit, before=before, after=after, which=which))
    person = _person_at(tx, which.person)
    if isinstance(person, Nobody) or which.actor not in {None, person.kind}:
        return FoundLines((), person)
    step, theirs = max(limit, _FEWEST_AT_ONCE), replace(which, actor=person.kind)
    return _collected(tx, person, limit, _steps(tx, theirs, step, before, after, looks_at))


def read_person(snapshot: Snapshot, seq: int) -> KnownPerson | Nobody:
    """Return the person who made an entry, or why there is none."""
    return _person_at(snapshot.tx, seq)


def _person_at(tx: Transaction, seq: int) -> KnownPerson | Nobody:
    lines = tx.ledger.page(1, before=seq + 1, after=seq - 1)
    if not lines:
        return Nobody.NO_ENTRY
    actor = unverified(lines[0].line or "").get("actor")
    if not isinstance(actor, dict):
        return Nobody.UNREADABLE
    kind = str(actor.get("type"))
    if kind not in PERSONAL or "id" not in actor:
        return Nobody.NO_PERSON
    kept = tx.ledger.salted(salted_digests(actor))
    found = resolved(actor["id"], kept, Nobody.ERASED, Nobody.CHANGED)
    known = KnownPerson(kind, str(found), name_of(resolved(actor, kept, ERASED, CHANGED)))
    return found if isinstance(found, Nobody) else known


def name_of(actor: Mapping[str, Any]) -> str:
    """Return an actor as an entry names it, for display."""
    named, kind = actor.get("name") or actor.get("id"), str(actor.get("type", ""))
    words = {"token": f"token:{named}", "command": f"cli ({named})", "stranger": "nobody"}
    return words.get(kind, str(named or kind))


def _steps(
    tx: Transaction, which: LedgerFilter, step: int, before: int | None, after: int | None, looks_at: int
) -> Iterator[tuple[Lines, int | None]]:
    """Yield lines in steps, each twice as long as the one before it, and where there may be more: None at the end."""
    while looks_at:
        asked = min(step, looks_at)
        lines = tx.ledger.page(asked, before=before, after=after, which=which)
        further = lines[-1].seq if len(lines) == asked else None
        yield lines, further
        if further is None:
            return
        before, after = (further, None) if after is None else (before, further)
        step, looks_at = 2 * step, looks_at - asked


def _collected(
    tx: Transaction, person: KnownPerson, limit: int, steps: Iterable[tuple[Lines, int | None]]
) -> FoundLines:
    """Return the lines of a person, as soon as they are enough."""
    found: list[StoredLine | UnreadableLine] = []
    looked_to: int | None = None
    for lines, further in steps:
        found += _made_by(tx, person, lines)
        if len(found) >= limit:
            return FoundLines(found[:limit], person)
        looked_to = further
    return FoundLines(found, person, looked_to)


def _made_by(tx: Transaction, person: KnownPerson, lines: Lines) -> Lines:
    actors = [_actor_of(line) for line in lines]
    kept = tx.ledger.salted(salted_digests([actor.get("id") for actor in actors]))
    theirs = [it.get("type") == person.kind and resolved(it.get("id"), kept) == person.id for it in actors]
    return [line for line, made in zip(lines, theirs, strict=True) if made]


def _actor_of(line: StoredLine | UnreadableLine) -> dict[str, Any]:
    actor = unverified(line.line or "").get("actor")
    return actor if isinstance(actor, dict) else {}

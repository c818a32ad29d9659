"""What happens often: the first is written into the ledger at once, the later ones are counted and written together.

So a stranger who guesses passwords, or a service that registers a thousand bouncers, cannot fill the ledger.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, or_, select, true

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.ledger import Kind
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.tables import LedgerPendingRow as PendingRow
from telemetry_service.storage.upsert import insert

AT_ONCE = 10
"""How many different things of a kind an actor may do within an hour that have a line at once."""

APART = 200
"""How many of them are counted apart within an hour. The rest is one number, so that a line stays small."""

COUNTED_FOR = timedelta(hours=1)
"""How long something is counted before the count becomes an entry. Anyone who repeats it all day causes 48 entries."""

_DIGITS, _LONGEST = 24, 40
_NAME = "ledger_pending"
_MARKED = (
    *(PendingRow.kind, PendingRow.actor, PendingRow.about),
    *(PendingRow.who, PendingRow.since, PendingRow.times),
)


@dataclass(frozen=True, slots=True)
class Pending:
    """How often an actor did something since its first line, and when."""

    kind: Kind
    actor: Actor
    about: str
    times: int
    since: datetime
    until: datetime
    each: tuple[Mapping[str, Any], ...]
    """What each of it was about, with how often; empty if that is not counted apart."""


class Marker(Protocol):
    """Marks the rows that this service has begun."""

    def stamp(self, name: str, content: bytes, number: bytes | None = None) -> bytes:
        """Return a mark."""
        ...

    def is_stamped(self, name: str, content: bytes, stamp: bytes) -> bool:
        """Whether this installation has made a mark of this."""
        ...


class LedgerPendingStore:
    """One row for each kind, actor, and what it was about.

    Anyone who adds a row must not make a repetition of the first: a row says that there was one only if it has the mark
    of this service, and for an hour, so that no older one can be put back for that. A row with the mark that was just
    made is the first, whatever number a trigger has given it.
    """

    def __init__(self, connection: Connection, marker: Marker | None) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._marker = connection, marker

    def count(
        self, now: datetime, actor: Actor, kind: Kind, about: str, said: Mapping[str, object] | None = None
    ) -> bool:
        """Count one more; True if it is the first, which gets its own line.

        What differs in ``said`` is counted apart, up to a limit: a line for each would let one reader fill the ledger.
        """
        if said is None:
            return self._count(now, actor, kind, about, first=0, more=1) == 0
        key = f"{about}/{sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_DIGITS]}"
        known = self._begun(now, actor, kind, about)
        others = len(known)
        if key not in known and others >= APART:
            self._count(now, actor, kind, about, first=1, more=1)
            return False
        first = int(others >= AT_ONCE)
        return self._count(now, actor, kind, key, first=first, more=1, said=said) == 0

    def _begun(self, now: datetime, actor: Actor, kind: Kind, about: str) -> frozenset[str]:
        """Return what is counted apart, of which the first has an entry."""
        of_actor = PendingRow.kind == kind.value, PendingRow.actor == _key(actor)
        rows = self._connection.execute(select(*_MARKED).where(*of_actor, _below(about)))
        return frozenset(row.about for row in readable_rows(rows) if self._is_ours(row) and not _is_over(row, now))

    def count_more(self, now: datetime, actor: Actor, kind: Kind, about: str, times: int) -> None:
        """Count several more, of which none gets its own line."""
        self._count(now, actor, kind, about, first=times, more=times)

    def due(self, begun_before: datetime, now: datetime) -> bool:
        """Whether anything was counted that began before a time, or under a clock that has been set back since."""
        query = select(PendingRow.kind).where(_due(begun_before, now)).limit(1)
        return self._connection.execute(query).first() is not None

    def take(self, now: datetime, begun_before: datetime | None) -> Iterator[Pending]:
        """Remove what was counted, all of it or what is due, and yield what was more than a first.

        What is counted apart is removed together with the first of it that is due, so that it becomes one entry.
        """
        condition = true() if begun_before is None else _due(begun_before, now)
        query = select(PendingRow.kind, PendingRow.actor, PendingRow.about).where(condition)
        ordered = query.order_by(PendingRow.kind, PendingRow.actor, PendingRow.about)
        due = list(readable_rows(self._connection.execute(ordered)))
        for kind, actor, about in dict.fromkeys((row.kind, row.actor, row.about.partition("/")[0]) for row in due):
            concerned = and_(
                PendingRow.kind == kind, PendingRow.actor == actor, or_(PendingRow.about == about, _below(about))
            )
            pending = _pending(self._remove(concerned), about)
            if pending is not None and pending.times:
                yield pending

    def _remove(self, concerned: ColumnElement[bool]) -> Sequence[Row[Any]]:
        names = ("kind", "actor", "about", "who", "said", "times", "since", "until")
        query = select(*(getattr(PendingRow, name) for name in names)).where(concerned)
        rows = list(readable_rows(self._connection.execute(query.order_by(PendingRow.about).with_for_update())))
        for row in rows:  # And no other, which was added meanwhile.
            key = PendingRow.kind == row.kind, PendingRow.actor == row.actor, PendingRow.about == row.about
            self._connection.execute(delete(PendingRow).where(*key))
        return rows

    def _count(  # noqa: PLR0913 - what is counted, and how
        self,
        now: datetime,
        actor: Actor,
        kind: Kind,
        about: str,
        *,
        first: int,
        more: int,
        said: Mapping[str, object] | None = None,
    ) -> int:
        """Add ``more`` to what was counted, or begin with ``first``; return the count."""
        with suppress(RowUnreadableError):
            counted = self._add(now, actor, kind, about, first=first, more=more, said=said)
            if counted is not None:
                return counted
        # Someone has written something else into the count, or added it. It starts over, so that they can stop nothing.
        key = PendingRow.kind == kind.value, PendingRow.actor == _key(actor), PendingRow.about == about
        self._connection.execute(delete(PendingRow).where(*key))
        self._add(now, actor, kind, about, first=first, more=more, said=said)
        return first

    def _add(  # noqa: PLR0913 - as above
        self,
        now: datetime,
        actor: Actor,
        kind: Kind,
        about: str,
        *,
        first: int,
        more: int,
        said: Mapping[str, object] | None = None,
    ) -> int | None:
        """Return the count, or 0 after the hour; None if the row is not ours."""
        who = self._who(now, actor, kind, about)
        new = insert(self._connection, PendingRow).values(
            kind=kind.value, actor=_key(actor), about=about, who=who, said=said, times=first, since=now, until=now
        )
        counted = new.on_conflict_do_update(
            index_elements=[PendingRow.kind, PendingRow.actor, PendingRow.about],
            set_={"times": PendingRow.times + more, "until": now},
        )
        row = next(iter(readable_rows(self._connection.execute(counted.returning(*_MARKED)))), None)
        if row is None or not self._is_ours(row):
            return None
        if self._marker is not None and _mark_in(row.who) == _mark_in(who):
            return first
        return 0 if _is_over(row, now) else filled([row.times], (PendingRow.times,))[0]

    def _who(self, now: datetime, actor: Actor, kind: Kind, about: str) -> dict[str, str | None]:
        who = {"kind": actor.kind.value, "id": actor.id, "name": actor.name}
        if self._marker is None:
            return who
        return {**who, "mark": self._marker.stamp(_NAME, _content(kind.value, _key(actor), about, now)).hex()}

    def _is_ours(self, row: Row[Any]) -> bool:
        if self._marker is None:
            return True
        try:
            mark = _mark_in(row.who)
            content = _content(row.kind, row.actor, row.about, row.since)
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        return self._marker.is_stamped(_NAME, content, mark)


def _mark_in(who: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(who["mark"])


def _is_over(row: Row[Any], now: datetime) -> bool:
    """Whether it is not the hour of a row: it becomes an entry at the next waking, or someone has put it back.

    One that begins later was begun before the clock was set back, and would otherwise be one for all that time.
    """
    return not now - COUNTED_FOR <= row.since <= now + COUNTED_FOR


def _content(kind: str, actor: str, about: str, since: datetime) -> bytes:
    return json.dumps([kind, actor, about, rfc3339(since)]).encode()


def _key(actor: Actor) -> str:
    """Return what tells actors apart: labels of commands are all the same, and tokens may share a name."""
    if actor.id is None or actor.kind is ActorKind.PERSON:
        return actor.label
    return f"{actor.kind.value}:{sha256(actor.id.encode()).hexdigest()[:_DIGITS]}"


def _pending(rows: Sequence[Row[Any]], about: str) -> Pending | None:
    """Return what rows counted; None if someone has written something else into them, which must stop no one."""
    try:
        row = rows[0]
        who = Actor(ActorKind(row.who["kind"]), row.who["id"], row.who["name"])
        each = tuple({**_kept(row.said), "times": row.times} for row in rows if row.said is not None and row.times)
        since, until = min(row.since for row in rows), max(row.until for row in rows)
        return Pending(Kind(row.kind), who, about, sum(row.times for row in rows), since, until, each)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _kept(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says; without what is too long, which someone else has written."""
    return {name: value for name, value in said.items() if isinstance(value, int) or len(value) <= _LONGEST}


def _below(about: str) -> ColumnElement[bool]:
    return PendingRow.about.startswith(f"{about}/", autoescape=True)


def _due(begun_before: datetime, now: datetime) -> ColumnElement[bool]:
    return or_(PendingRow.since < begun_before, PendingRow.since > now)

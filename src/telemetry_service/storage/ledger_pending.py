"""What happens often: the first is written into the ledger at once, the later ones are counted and written together.

So a stranger who guesses passwords, or a service that registers a thousand bouncers, cannot fill the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select, true

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.ledger import Kind
from telemetry_service.storage.tables import LedgerPendingRow as Row
from telemetry_service.storage.upsert import insert


@dataclass(frozen=True, slots=True)
class Pending:
    """How often an actor did something since its first line, and when."""

    kind: Kind
    actor: Actor
    about: str
    times: int
    since: datetime
    until: datetime


class LedgerPendingStore:
    """One row for each kind, actor, and what it was about."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def count(self, now: datetime, actor: Actor, kind: Kind, about: str) -> bool:
        """Count one more; True if it is the first, which gets its own line."""
        return self._count(now, actor, kind, about, first=0, more=1) == 0

    def count_more(self, now: datetime, actor: Actor, kind: Kind, about: str, times: int) -> None:
        """Count several more, of which none gets its own line."""
        self._count(now, actor, kind, about, first=times, more=times)

    def due(self, begun_before: datetime, now: datetime) -> bool:
        """Whether anything was counted that began before a time, or under a clock that has been set back since."""
        query = select(Row.kind).where(_due(begun_before, now)).limit(1)
        return self._connection.execute(query).first() is not None

    def take(self, now: datetime, begun_before: datetime | None) -> Iterator[Pending]:
        """Remove what was counted, all of it or what is due, and yield what was more than a first."""
        condition = true() if begun_before is None else _due(begun_before, now)
        query = select(Row.kind, Row.actor, Row.about, Row.who, Row.times, Row.since, Row.until).where(condition)
        ordered = query.order_by(Row.kind, Row.actor, Row.about).with_for_update()
        for row in self._connection.execute(ordered).all():
            key = (Row.kind == row.kind, Row.actor == row.actor, Row.about == row.about)
            self._connection.execute(delete(Row).where(*key))
            pending = _pending(row)
            if pending is not None and pending.times:
                yield pending

    def _count(self, now: datetime, actor: Actor, kind: Kind, about: str, *, first: int, more: int) -> int:
        """Add ``more`` to what was counted, or begin with ``first``; return the count."""
        who = {"kind": actor.kind.value, "id": actor.id, "name": actor.name}
        new = insert(self._connection, Row).values(
            kind=kind.value, actor=actor.label, about=about, who=who, times=first, since=now, until=now
        )
        counted = new.on_conflict_do_update(
            index_elements=[Row.kind, Row.actor, Row.about], set_={"times": Row.times + more, "until": now}
        )
        return self._connection.execute(counted.returning(Row.times)).scalar_one()


def _pending(row: Any) -> Pending | None:  # noqa: ANN401 - a row of the query above
    """Return what a row counted; None if someone has written something else into it, which must stop no one."""
    try:
        who = Actor(ActorKind(row.who["kind"]), row.who["id"], row.who["name"])
        return Pending(Kind(row.kind), who, row.about, row.times, row.since, row.until)
    except (ValueError, KeyError, TypeError):
        return None


def _due(begun_before: datetime, now: datetime) -> ColumnElement[bool]:
    return or_(Row.since < begun_before, Row.since > now)

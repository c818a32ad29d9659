"""What happens often: the first is written into the ledger at once, the later ones are counted until the next waking.

So a stranger who guesses passwords, or a service that registers a thousand bouncers, cannot fill the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.ledger import Kind
from telemetry_service.storage.tables import LedgerPendingRow as Row
from telemetry_service.storage.upsert import insert


@dataclass(frozen=True, slots=True)
class Pending:
    """How often an actor did something since its first line, and when."""

    kind: Kind
    actor: Actor
    times: int
    since: datetime
    until: datetime


class LedgerPendingStore:
    """One row for each kind and actor."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def count(self, now: datetime, actor: Actor, kind: Kind) -> bool:
        """Count one more; True if it is the first, which gets its own line."""
        who = {"kind": actor.kind.value, "id": actor.id, "name": actor.name}
        new = insert(self._connection, Row).values(
            kind=kind.value, actor=actor.label, who=who, times=0, since=now, until=now
        )
        counted = new.on_conflict_do_update(
            index_elements=[Row.kind, Row.actor], set_={"times": Row.times + 1, "until": now}
        )
        return self._connection.execute(counted.returning(Row.times)).scalar_one() == 0

    def take(self, begun_before: datetime | None) -> Iterator[Pending]:
        """Remove what was counted, all of it or what began before a time, and yield what was more than a first."""
        query = select(Row.kind, Row.actor, Row.who, Row.times, Row.since, Row.until).with_for_update()
        if begun_before is not None:
            query = query.where(Row.since < begun_before)
        for row in self._connection.execute(query.order_by(Row.kind, Row.actor)).all():
            self._connection.execute(delete(Row).where(Row.kind == row.kind, Row.actor == row.actor))
            if row.times:
                who = Actor(ActorKind(row.who["kind"]), row.who["id"], row.who["name"])
                yield Pending(Kind(row.kind), who, row.times, row.since, row.until)

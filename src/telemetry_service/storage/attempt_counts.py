"""How often something failed, by where it came from. Bounded: strangers decide how many addresses they have."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select

from telemetry_service.storage.tables import AttemptCount as Row
from telemetry_service.storage.upsert import insert

ADDRESS = "address:"
"""The prefix of the sources that anyone can have many of."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted for one source."""

    failures: int
    blocked_until: datetime | None
    last_at: datetime


class AttemptCountStore:
    """One row for each source; it decides nothing."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def find(self, source: str, *, lock: bool = False) -> Counted | None:
        """Return what is counted for a source."""
        query = select(Row.failures, Row.blocked_until, Row.last_at).where(Row.source == source)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else Counted(*row)

    def begin(self, source: str, now: datetime) -> bool:
        """Add a row for a source without one; False if there is one."""
        new = insert(self._connection, Row).values(source=source, failures=0, blocked_until=None, last_at=now)
        made = self._connection.execute(new.on_conflict_do_nothing().returning(Row.source))
        return made.first() is not None

    def write(self, source: str, counted: Counted) -> None:
        """Write what is counted for a source."""
        values = {name: getattr(counted, name) for name in Counted.__slots__}
        new = insert(self._connection, Row).values(source=source, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=[Row.source], set_=values))

    def forget(self, source: str) -> None:
        """Count from zero again."""
        self._connection.execute(delete(Row).where(Row.source == source))

    def forget_all(self) -> None:
        """Count everything from zero again."""
        self._connection.execute(delete(Row))

    def sources(self, prefix: str) -> int:
        """Return how many sources begin like this."""
        query = select(func.count()).where(Row.source.startswith(prefix))
        return self._connection.execute(query).scalar_one()

    def needs_pruning(self, before: datetime, after: datetime, most: int) -> bool:
        """Whether ``prune`` would delete anything."""
        query = select(func.count(), func.min(Row.last_at), func.max(Row.last_at))
        rows, oldest, latest = self._connection.execute(query).one()
        return rows > 0 and (rows > most or oldest < before or latest > after)

    def prune(self, before: datetime, after: datetime, most: int) -> None:
        """Delete rows from before a time or ahead of another, and the oldest addresses beyond ``most``."""
        self._connection.execute(delete(Row).where(or_(Row.last_at < before, Row.last_at > after)))
        beyond = self.sources(ADDRESS) - most
        if beyond > 0:
            addresses = select(Row.source).where(Row.source.startswith(ADDRESS))
            oldest = addresses.order_by(Row.last_at).limit(beyond)
            self._connection.execute(delete(Row).where(Row.source.in_(oldest)))

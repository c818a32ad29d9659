"""One row for each process that wakes. A committed heartbeat shows that the process can write."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, or_, select

from telemetry_service.storage.tables import ProcessHeartbeat as Row
from telemetry_service.storage.upsert import insert

_KEPT_FOR = timedelta(days=1)


class HeartbeatStore:
    """A process writes only its own row, so that replicas do not wait for each other."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def beat(self, process_id: UUID, now: datetime, encryption_keys: str) -> None:
        """Write the heartbeat of a process, with the IDs of its keys."""
        written = {"beat_at": now, "encryption_keys": encryption_keys}
        row = insert(self._connection, Row).values(process_id=process_id, started_at=now, **written)
        self._connection.execute(row.on_conflict_do_update(index_elements=[Row.process_id], set_=written))

    def encryption_keys(self, since: datetime) -> tuple[str, ...]:
        """Return the keys of each process with a heartbeat since then, as it wrote them; an older version did not."""
        alive = Row.beat_at >= since, Row.encryption_keys.is_not(None)
        return tuple(
            keys or "" for keys in self._connection.execute(select(Row.encryption_keys).where(*alive)).scalars()
        )

    def alive(self, since: datetime) -> bool:
        """Whether a process that has not ended has written a heartbeat since then."""
        return self._connection.execute(select(Row.process_id).where(Row.beat_at >= since)).first() is not None

    def end(self, process_id: UUID) -> None:
        """Remove a process that ends."""
        self._connection.execute(delete(Row).where(Row.process_id == process_id))

    def remove_old(self, now: datetime) -> None:
        """Remove processes that have ended; a live one with a different clock writes its row again."""
        old = or_(Row.beat_at < now - _KEPT_FOR, Row.beat_at > now + _KEPT_FOR)
        self._connection.execute(delete(Row).where(old))

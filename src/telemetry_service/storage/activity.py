"""Who did what, newest first."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from telemetry_service.domain.activity import Action, Activity
from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import EARLIEST
from telemetry_service.storage.tables import ActivityEntry as Row

KEPT_FOR = timedelta(days=365)
"""The audit trail is always kept for the longest retention, regardless of the one chosen for telemetry."""


class ActivityStore:
    """An append-only list."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def note(self, now: datetime, actor: Actor, action: Action, **details: str) -> None:
        """Add an entry; ``details`` hold only values of closed sets, numbers and our own IDs."""
        self._connection.execute(insert(Row).values(at=now, actor=actor.label, action=action, details=details))

    def latest(self, limit: int) -> tuple[Activity, ...]:
        """Return the latest entries, newest first."""
        query = select(Row.at, Row.actor, Row.action, Row.details).order_by(Row.id.desc()).limit(limit)
        return tuple(Activity(*row) for row in self._connection.execute(query))

    def purge(self, now: datetime) -> int:
        """Delete and count entries older than a year, except those dated by a clock that was not set."""
        return self._connection.execute(delete(Row).where(Row.at >= EARLIEST, Row.at < now - KEPT_FOR)).rowcount

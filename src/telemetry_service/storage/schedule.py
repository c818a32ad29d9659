"""When the next tick and the next purge are due. Whoever moves a moment forward owns what was due then."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from telemetry_service.storage.tables import TelemetrySchedule, TelemetryTick
from telemetry_service.storage.upsert import insert


class ScheduleStore:
    """Compare-and-set on one row, with a unique key for each tick in the same transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def next_run_at(self) -> datetime:
        """Return the moment of the next tick."""
        return self._connection.execute(select(TelemetrySchedule.next_run_at)).scalar_one()

    def next_purge_at(self) -> datetime:
        """Return the moment of the next purge."""
        return self._connection.execute(select(TelemetrySchedule.next_purge_at)).scalar_one()

    def plan(self, next_run_at: datetime) -> None:
        """Set the next tick, whatever it was."""
        self._connection.execute(update(TelemetrySchedule).values(next_run_at=next_run_at))

    def move_run(self, due: datetime, following: datetime) -> bool:
        """Move the next tick from ``due`` to ``following``; False where somebody else has."""
        moved = self._connection.execute(
            update(TelemetrySchedule).where(TelemetrySchedule.next_run_at == due).values(next_run_at=following)
        )
        return moved.rowcount == 1

    def move_purge(self, due: datetime, following: datetime) -> bool:
        """Move the next purge from ``due`` to ``following``; False where somebody else has."""
        moved = self._connection.execute(
            update(TelemetrySchedule).where(TelemetrySchedule.next_purge_at == due).values(next_purge_at=following)
        )
        return moved.rowcount == 1

    def own_tick(self, tick_key: str, now: datetime) -> bool:
        """Write the key of a tick; False where that tick has been run before (after a clock was set back)."""
        key = insert(self._connection, TelemetryTick).values(tick_key=tick_key, ran_at=now, result="running")
        written = key.on_conflict_do_nothing().returning(TelemetryTick.tick_key)
        return self._connection.execute(written).first() is not None

    def tick_result(self, tick_key: str, result: str) -> None:
        """Note what came of a tick."""
        self._connection.execute(update(TelemetryTick).where(TelemetryTick.tick_key == tick_key).values(result=result))

    def last_tick_result(self) -> str | None:
        """Return what came of the latest tick."""
        query = select(TelemetryTick.result).order_by(TelemetryTick.ran_at.desc()).limit(1)
        return self._connection.execute(query).scalar_one_or_none()

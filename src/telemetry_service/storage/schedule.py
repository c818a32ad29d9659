"""When the next tick and the next purge are due. Whoever moves a moment forward owns what was due then."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from telemetry_service.storage.tables import TelemetrySchedule, TelemetryTick
from telemetry_service.storage.upsert import insert

_FAR_AHEAD = timedelta(days=1)
"""A clock that is set back by less than this runs no tick twice. No tick follows another sooner."""

_RUNNING = "running"
"""Never seen outside the transaction that runs the tick."""
DISABLED = "disabled"
"""Result of a tick that found telemetry off."""


@dataclass(frozen=True, slots=True)
class NextPurge:
    """When the next purge is due, and whether it was put off, or begun, already."""

    due: datetime
    put_off: bool


@dataclass(frozen=True, slots=True)
class LastTick:
    """What came of the latest tick, and its place in the order of attempts, connection tests and ticks."""

    result: str
    ran_at: datetime
    sequence: int
    tick_key: str
    period_id: int | None
    """The period that was open when it ran; None where an older version did not note it."""

    @property
    def due_at(self) -> datetime:
        """When it was due: its key."""
        return datetime.fromisoformat(self.tick_key)


class ScheduleStore:
    """Compare-and-set on one row, with a unique key for each tick in the same transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def next_run_at(self) -> datetime:
        """Return the moment of the next tick."""
        return self._connection.execute(select(TelemetrySchedule.next_run_at)).scalar_one()

    def next_purge(self) -> NextPurge:
        """Return when the next purge is due."""
        query = select(TelemetrySchedule.next_purge_at, TelemetrySchedule.purge_put_off)
        return NextPurge(*self._connection.execute(query).one())

    def plan(self, next_run_at: datetime) -> None:
        """Set the next tick, whatever it was."""
        self._connection.execute(update(TelemetrySchedule).values(next_run_at=next_run_at))

    def move_run(self, due: datetime, following: datetime) -> bool:
        """Move the next tick from ``due`` to ``following``; False where someone else has."""
        moved = self._connection.execute(
            update(TelemetrySchedule).where(TelemetrySchedule.next_run_at == due).values(next_run_at=following)
        )
        return moved.rowcount == 1

    def move_purge(self, due: datetime, following: datetime, *, put_off: bool) -> bool:
        """Move the next purge from ``due`` to ``following``; False where someone else has."""
        moved = self._connection.execute(
            update(TelemetrySchedule)
            .where(TelemetrySchedule.next_purge_at == due)
            .values(next_purge_at=following, purge_put_off=put_off)
        )
        return moved.rowcount == 1

    def own_tick(self, tick_key: str, now: datetime, period_id: int) -> bool:
        """Write the key of a tick; False where that tick has been run before (after a clock was set back).

        A key that a clock far ahead has used is free again once that clock was set right: what shows it is that the
        key was used at a moment that has not come yet, or that an earlier tick was run after it. The period that this
        tick is to close is another one.
        """
        used_ahead = or_(TelemetryTick.ran_at > now + _FAR_AHEAD, _used_too_early())
        self._connection.execute(delete(TelemetryTick).where(TelemetryTick.tick_key == tick_key, used_ahead))
        key = insert(self._connection, TelemetryTick).values(
            tick_key=tick_key, ran_at=now, result=_RUNNING, period_id=period_id
        )
        written = key.on_conflict_do_nothing().returning(TelemetryTick.tick_key)
        return self._connection.execute(written).first() is not None

    def own_missed_tick(self, missed: LastTick) -> bool:
        """Take a tick that made no payload, to run it again; False where someone else has."""
        taken = self._connection.execute(
            update(TelemetryTick)
            .where(TelemetryTick.tick_key == missed.tick_key, TelemetryTick.sequence == missed.sequence)
            .values(result=_RUNNING, sequence=None)
        )
        return taken.rowcount == 1

    def tick_result(self, tick_key: str, result: str, sequence: int) -> None:
        """Note the outcome of a tick, and its place in the order of events (``LastExchangeStore.next_sequence``)."""
        ran = update(TelemetryTick).where(TelemetryTick.tick_key == tick_key)
        self._connection.execute(ran.values(result=result, sequence=sequence))

    def last_tick(self) -> LastTick | None:
        """Return the latest tick, by its sequence: a clock that was ahead must not hide those that follow."""
        return self._latest()

    def last_run(self) -> LastTick | None:
        """Return the latest tick that was to send: one that found telemetry off is none, nor is one that runs yet."""
        return self._latest(TelemetryTick.result != DISABLED)

    def _latest(self, *conditions: ColumnElement[bool]) -> LastTick | None:
        names = (TelemetryTick.result, TelemetryTick.ran_at, TelemetryTick.sequence, TelemetryTick.tick_key)
        latest = select(*names, TelemetryTick.period_id).where(TelemetryTick.sequence.is_not(None), *conditions)
        row = self._connection.execute(latest.order_by(TelemetryTick.sequence.desc()).limit(1)).first()
        if row is None or row.sequence is None:
            return None
        return LastTick(row.result, row.ran_at, row.sequence, row.tick_key, row.period_id)


def _used_too_early() -> ColumnElement[bool]:
    """Whether a tick with an earlier key was run after this one. Keys are moments that sort as text."""
    other = aliased(TelemetryTick)
    return exists().where(other.tick_key < TelemetryTick.tick_key, other.sequence > TelemetryTick.sequence)

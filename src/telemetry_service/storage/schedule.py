"""When the next tick and the next purge are due. The process that moves the time forward owns what was due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, or_, select, update

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.tables import TelemetrySchedule, TelemetryTick
from telemetry_service.storage.upsert import insert

_FAR_AHEAD = timedelta(days=1)
"""If the clock is set back by less than this, no tick runs twice. Ticks are never closer together."""

_CLOCKS_DIFFER = timedelta(minutes=5)
_RUNNING = "running"
"""Never seen outside the transaction that runs the tick."""
_TICKS_READ = 20
"""How many are read to find the latest one that can be read."""
DISABLED = "disabled"
"""Result of a tick that found telemetry off."""

_LATEST_TICKS = (
    select(
        TelemetryTick.result,
        TelemetryTick.ran_at,
        TelemetryTick.sequence,
        TelemetryTick.tick_key,
        TelemetryTick.period_id,
    )
    .where(TelemetryTick.sequence.is_not(None))
    .order_by(TelemetryTick.sequence.desc())
    .limit(_TICKS_READ)
)
_LATEST_RUNS = _LATEST_TICKS.where(TelemetryTick.result != DISABLED)


@dataclass(frozen=True, slots=True)
class NextPurge:
    """When the next purge is due, and whether it was put off, or begun, already."""

    due: datetime
    put_off: bool


@dataclass(frozen=True, slots=True)
class LastTick:
    """The result of the latest tick, and its place in the order of attempts, connection tests and ticks."""

    result: str
    ran_at: datetime
    sequence: int
    tick_key: str
    period_id: int | None
    """The period that was open when it ran; None if an older version ran it."""

    @property
    def due_at(self) -> datetime:
        """When it was due, from its key."""
        return datetime.fromisoformat(self.tick_key)


class ScheduleStore:
    """Compare-and-set on one row, with a unique key for each tick in the same transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def next_run_at(self) -> datetime:
        """Return when the next tick is due."""
        row = self._connection.execute(select(TelemetrySchedule.next_run_at)).first()
        return run_in(() if row is None else row)

    def next_purge(self) -> NextPurge:
        """Return when the next purge is due."""
        columns = (TelemetrySchedule.next_purge_at, TelemetrySchedule.purge_put_off)
        row = self._connection.execute(select(*columns)).first()
        if row is None:
            raise RowUnreadableError(TelemetrySchedule.__tablename__)
        return NextPurge(*filled(row, columns))

    def plan(self, next_run_at: datetime) -> None:
        """Set the next tick, regardless of the present one."""
        self._connection.execute(update(TelemetrySchedule).values(next_run_at=next_run_at))

    def move_run(self, due: datetime, following: datetime) -> bool:
        """Move the next tick from ``due`` to ``following``; False if another process has done so."""
        moved = self._connection.execute(
            update(TelemetrySchedule).where(TelemetrySchedule.next_run_at == due).values(next_run_at=following)
        )
        return moved.rowcount == 1

    def move_purge(self, due: datetime, following: datetime, *, put_off: bool) -> bool:
        """Move the next purge from ``due`` to ``following``; False if another process has done so."""
        moved = self._connection.execute(
            update(TelemetrySchedule)
            .where(TelemetrySchedule.next_purge_at == due)
            .values(next_purge_at=following, purge_put_off=put_off)
        )
        return moved.rowcount == 1

    def begin_verification(self, now: datetime, until: datetime) -> bool:
        """Take the lease on verifying the whole ledger; False if another process has it.

        One that ends later than any lease was taken under a wrong clock, or someone has written it, and is void.
        """
        end = TelemetrySchedule.verifying_until
        free = or_(end.is_(None), end <= now, end > until + _CLOCKS_DIFFER)
        return (
            self._connection.execute(update(TelemetrySchedule).where(free).values(verifying_until=until)).rowcount == 1
        )

    def end_verification(self, until: datetime) -> None:
        """Give the lease back, unless it was over and another process took it."""
        own = update(TelemetrySchedule).where(TelemetrySchedule.verifying_until == until)
        self._connection.execute(own.values(verifying_until=None))

    def own_tick(self, tick_key: str, now: datetime, period_id: int) -> bool:
        """Write the key of a tick; False if that tick ran before, because a clock was set back.

        A key that was used by a clock far ahead is free again once that clock is right. This shows if the key was used
        at a time still in the future, or if an earlier tick ran after it. This tick then closes a different period.
        """
        used_ahead = or_(TelemetryTick.ran_at > now + _FAR_AHEAD, _used_too_early())
        self._connection.execute(delete(TelemetryTick).where(TelemetryTick.tick_key == tick_key, used_ahead))
        key = insert(self._connection, TelemetryTick).values(
            tick_key=tick_key, ran_at=now, result=_RUNNING, period_id=period_id
        )
        written = key.on_conflict_do_nothing().returning(TelemetryTick.tick_key)
        return self._connection.execute(written).first() is not None

    def own_missed_tick(self, missed: LastTick) -> bool:
        """Take over a tick that made no payload, to run it again; False if another process has."""
        taken = self._connection.execute(
            update(TelemetryTick)
            .where(TelemetryTick.tick_key == missed.tick_key, TelemetryTick.sequence == missed.sequence)
            .values(result=_RUNNING, sequence=None)
        )
        return taken.rowcount == 1

    def tick_result(self, tick_key: str, result: str, sequence: int) -> None:
        """Record the result of a tick and its place in the order of events (``LastExchangeStore.next_sequence``)."""
        ran = update(TelemetryTick).where(TelemetryTick.tick_key == tick_key)
        self._connection.execute(ran.values(result=result, sequence=sequence))

    def last_tick(self) -> LastTick | None:
        """Return the latest tick, by its sequence: a clock that was ahead must not hide later ticks."""
        return self._latest(_LATEST_TICKS)

    def last_run(self) -> LastTick | None:
        """Return the latest tick that had to send: not one that found telemetry off, nor one that is still running."""
        return self._latest(_LATEST_RUNS)

    def _latest(self, query: Select[*tuple[Any, ...]]) -> LastTick | None:
        found = readable_rows(self._connection.execute(query))
        ticks = (LastTick(*row) for row in found if None not in row[:4] and _is_time(row.tick_key))
        return next(ticks, None)


def run_in(row: Sequence[datetime | None]) -> datetime:
    """Return the next run from what the row holds: one value, or none if there is no row.

    Raises:
        RowUnreadableError: it is missing.
    """
    if not row or row[0] is None:
        raise RowUnreadableError(str(TelemetrySchedule.next_run_at))
    return row[0]


def _is_time(tick_key: str) -> bool:
    try:
        return datetime.fromisoformat(tick_key).tzinfo is not None
    except ValueError:
        return False


def _used_too_early() -> ColumnElement[bool]:
    """Whether a tick with an earlier key ran after this one. Keys are times that sort as text."""
    other = TelemetryTick.__table__.alias().c
    return exists().where(other.tick_key < TelemetryTick.tick_key, other.sequence > TelemetryTick.sequence)

"""The reporting periods, and reading their counters."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    RowMapping,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.facts import Environment
from telemetry_service.domain.periods import ClosedBy, DayCount, Period, PeriodCounts, add_up
from telemetry_service.storage.rows import filled
from telemetry_service.storage.tables import ReportingPeriod, UsageBouncer, UsageCounter

_TABLE = ReportingPeriod.__table__
_OPEN = select(_TABLE).where(_TABLE.c.is_open)
_LOCKED = _OPEN.with_for_update()

_QUEUE = 0x706572696F64
"""The key of PostgreSQL's advisory lock that adding to the open period shares and closing it takes exclusively."""


class PeriodStore:
    """There is always exactly one open period: an index makes a second one impossible."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def open(self) -> Period:
        """Return the open period, without a lock."""
        return period_in(_only(self._connection.execute(_OPEN)))

    def lock_open(self) -> Period:
        """Return the open period, and keep other transactions from adding to it until this one ends."""
        self._queue("pg_advisory_xact_lock")
        return period_in(_only(self._connection.execute(_LOCKED)))

    def share_open(self) -> Period:
        """Return the open period, and keep it from being closed until this transaction ends."""
        self._queue("pg_advisory_xact_lock_shared")
        return self.open()

    def close(self, period: Period, closed_by: ClosedBy, now: datetime, *, reopen_reportable: bool) -> Period:
        """Close ``period``, which must be locked; open and return the next one."""
        self._connection.execute(
            update(ReportingPeriod)
            .where(ReportingPeriod.id == period.period_id)
            .values(is_open=False, closed_at=now, closed_by=closed_by)
        )
        self._connection.execute(
            insert(ReportingPeriod).values(opened_at=now, is_open=True, reportable=reopen_reportable)
        )
        self._connection.execute(delete(UsageBouncer).where(UsageBouncer.period_id == period.period_id))
        return self.open()

    def counts(self, period_id: int, days: tuple[DayCount, ...]) -> PeriodCounts:
        """Return the counts of the open period, whose days are ``days``."""
        return add_up(days, *self._connection.execute(_BOUNCERS, {"period_id": period_id}).one())

    def day_counts(self, period_id: int) -> tuple[DayCount, ...]:
        """Return what all bouncers reported on each UTC day of a period, oldest first."""
        rows = self._connection.execute(_DAYS, {"period_id": period_id})
        return tuple(DayCount(day, *(int(n) for n in counts)) for day, *counts in rows)

    def _queue(self, lock: str) -> None:
        """Queue for the open period on PostgreSQL; on SQLite a transaction that writes is alone anyway.

        Locks on the row itself are not fair: while several replicas record without a pause, one of them always shares
        it, and closing the period would wait forever. Reads after this see the latest data.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT {lock}({_QUEUE})")


def period_in(row: RowMapping) -> Period:
    """Return the period in a row of the table, alone or joined with others."""
    columns = (_TABLE.c.id, _TABLE.c.opened_at, _TABLE.c.reportable)
    return Period(*filled([row[column] for column in columns], columns))


def _only(result: CursorResult[Any]) -> RowMapping:
    """Return the one open period; someone has deleted it if there is none, or added another if there are two."""
    rows = result.mappings().all()
    if len(rows) != 1:
        raise RowUnreadableError(str(_TABLE.c.is_open))
    return rows[0]


def _how_many(flag: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((flag, 1), else_=0)), 0)


def _events_of(environment: Environment) -> ColumnElement[int]:
    return func.sum(case((UsageCounter.environment == environment, UsageCounter.audit_events), else_=0))


_BOUNCERS = select(_how_many(UsageBouncer.has_traffic), _how_many(UsageBouncer.has_decisions)).where(
    UsageBouncer.period_id == bindparam("period_id")
)
_DAYS = (
    select(
        UsageCounter.day,
        _events_of(Environment.SANDBOX),
        _events_of(Environment.PRODUCTION),
        func.sum(UsageCounter.policy_decisions),
        func.sum(UsageCounter.successful_decisions),
    )
    .where(UsageCounter.period_id == bindparam("period_id"))
    .group_by(UsageCounter.day)
    .order_by(UsageCounter.day)
)

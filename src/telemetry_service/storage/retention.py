"""Deletes what is older than the retention, a small step at a time.

Never: a transmission that was not accepted, the period it belongs to, the open period, an extension code.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Select, and_, delete, exists, func, or_, select, tuple_

from telemetry_service.domain.transmissions import State
from telemetry_service.storage.tables import (
    ReportingPeriod,
    TelemetryTick,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
    UsageCounter,
    UsageReportId,
)

STEP_ROWS = 5_000
"""Rows in one transaction: small enough that recording never waits noticeably for a purge."""

FREED_PAGES = 2_000
"""Pages given back to the file system in one transaction (SQLite)."""


_INCREMENTAL = 2
"""The value of SQLite's auto_vacuum under which freed pages can be returned."""


class RetentionStore:
    """Each step is meant to be a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def step(self, cutoff: datetime) -> int:
        """Delete up to :data:`STEP_ROWS` rows that are older than ``cutoff``; return how many that were.

        Children go before their parents, so that a crash between two steps leaves nothing dangling.
        """
        steps: tuple[Callable[[datetime], Delete], ...] = (
            _expired_report_ids,
            _expired_attempts,
            _expired_transmissions,
            _expired_counters,
            _expired_periods,
            _expired_ticks,
        )
        for expired in steps:
            deleted = self._connection.execute(expired(cutoff)).rowcount
            if deleted:
                return deleted
        return 0

    def count(self, cutoff: datetime) -> int:
        """Return how many rows a purge with this ``cutoff`` would delete."""
        transmissions = _old_transmissions(cutoff).subquery()
        counted: tuple[Select[Any], ...] = (
            _count(UsageReportId, UsageReportId.received_on < cutoff.toordinal()),
            select(func.count())
            .select_from(TelemetryTransmissionAttempt)
            .where(TelemetryTransmissionAttempt.transmission_id.in_(select(transmissions.c.transmission_id))),
            select(func.count()).select_from(transmissions),
            _count(UsageCounter, UsageCounter.period_id.in_(_old_periods(cutoff, after_transmissions=True))),
            select(func.count()).select_from(_old_periods(cutoff, after_transmissions=True).subquery()),
            _count(TelemetryTick, TelemetryTick.ran_at < cutoff),
        )
        return sum(int(self._connection.execute(query).scalar_one()) for query in counted)

    def give_space_back(self) -> bool:
        """Let SQLite return some freed pages to the file system; True while there is more to return.

        PostgreSQL's autovacuum needs no word.
        """
        if self._connection.dialect.name != "sqlite":
            return False
        # The pragma frees a page at each step and has no column, so it is stepped through by the driver's own cursor.
        cursor = self._connection.connection.cursor()
        cursor.execute(f"PRAGMA incremental_vacuum({FREED_PAGES})")
        cursor.fetchall()
        incremental = self._connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() == _INCREMENTAL
        return incremental and self._connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() > 0


def _count(table: type[Any], condition: ColumnElement[bool]) -> Select[Any]:
    return select(func.count()).select_from(table).where(condition)


def _old_transmissions(cutoff: datetime) -> Select[Any]:
    log = TelemetryTransmissionLog
    return select(log.transmission_id).where(log.state == State.SUCCESS, log.accepted_at < cutoff)


def _old_periods(cutoff: datetime, *, after_transmissions: bool = False) -> Select[Any]:
    """Closed periods whose transmission, if they had one, is gone (or would be, ``after_transmissions``)."""
    log = TelemetryTransmissionLog
    kept: ColumnElement[bool] = log.period_id == ReportingPeriod.id
    if after_transmissions:
        kept = and_(kept, or_(log.state != State.SUCCESS, log.accepted_at >= cutoff))
    closed = and_(ReportingPeriod.is_open.is_(False), ReportingPeriod.closed_at < cutoff)
    return select(ReportingPeriod.id).where(closed, ~exists().where(kept))


def _expired_report_ids(cutoff: datetime) -> Delete:
    old = select(UsageReportId.report_id).where(UsageReportId.received_on < cutoff.toordinal())
    return delete(UsageReportId).where(UsageReportId.report_id.in_(old.limit(STEP_ROWS)))


def _expired_attempts(cutoff: datetime) -> Delete:
    row = TelemetryTransmissionAttempt
    keys = select(row.transmission_id, row.number).where(row.transmission_id.in_(_old_transmissions(cutoff)))
    return delete(row).where(tuple_(row.transmission_id, row.number).in_(keys.limit(STEP_ROWS)))


def _expired_transmissions(cutoff: datetime) -> Delete:
    row = TelemetryTransmissionLog
    return delete(row).where(row.transmission_id.in_(_old_transmissions(cutoff).limit(STEP_ROWS)))


def _expired_counters(cutoff: datetime) -> Delete:
    row = UsageCounter
    key = (row.period_id, row.day, row.bouncer_id, row.environment)
    old = select(*key).where(row.period_id.in_(_old_periods(cutoff))).limit(STEP_ROWS)
    return delete(row).where(tuple_(*key).in_(old))


def _expired_periods(cutoff: datetime) -> Delete:
    return delete(ReportingPeriod).where(ReportingPeriod.id.in_(_old_periods(cutoff).limit(STEP_ROWS)))


def _expired_ticks(cutoff: datetime) -> Delete:
    return delete(TelemetryTick).where(TelemetryTick.ran_at < cutoff)

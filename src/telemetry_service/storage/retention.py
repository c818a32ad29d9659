"""What the retention deletes: how much it would be, and how the space comes back."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, literal, or_, select, union_all

from telemetry_service.domain.clock import EARLIEST
from telemetry_service.storage.expiry import WAITING, Sweep
from telemetry_service.storage.redating import Redating
from telemetry_service.storage.tables import (
    ReportingPeriod,
    TelemetryTick,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
    UsageCounter,
    UsageReportId,
)

_INCREMENTAL = 2
"""The value of SQLite's auto_vacuum under which freed pages can be returned."""


class RetentionStore:
    """Each step is meant to be a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def step(self, sweep: Sweep, rows: int) -> int:
        """Delete the next rows of ``sweep``, at most ``rows``; return how many that were, 0 when all are gone."""
        return sweep.step(self._connection, rows)

    def redate(self, redating: Redating, rows: int) -> int:
        """Date the next rows of ``redating`` anew, at most ``rows``; return how many, 0 when all are."""
        return redating.step(self._connection, rows)

    def count(self, cutoff: datetime, most: int) -> int:
        """Return how many rows a purge with this ``cutoff`` would delete; counting ends at ``most``.

        A count reads every row that it counts, and on SQLite nothing is committed in the meantime.
        """
        rows = union_all(*(select(literal(1)).select_from(query.limit(most).subquery()) for query in _expired(cutoff)))
        return self._connection.execute(select(func.count()).select_from(rows.limit(most).subquery())).scalar_one()

    def give_space_back(self, pages: int) -> int:
        """Let SQLite return up to ``pages`` freed pages to the file system; return how many, 0 when there are no more.

        PostgreSQL's autovacuum needs no word.
        """
        if self._connection.dialect.name != "sqlite" or self._pragma("auto_vacuum") != _INCREMENTAL:
            return 0
        free = self._pragma("freelist_count")
        for _ in range(min(pages, free)):
            # One at a time: the driver takes a statement without columns for done after its first page.
            self._connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        return free - self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _expired(cutoff: datetime) -> tuple[Select[Any], ...]:
    """Select a row for each one that is to go, kind by kind. What an unset clock has dated is dated anew first."""
    log, attempt, period, counter = (
        TelemetryTransmissionLog,
        TelemetryTransmissionAttempt,
        ReportingPeriod,
        UsageCounter,
    )
    day = UsageReportId.received_on
    transmissions = select(log.sequence).where(
        log.accepted_at >= EARLIEST, log.accepted_at < cutoff, log.state.not_in(WAITING)
    )
    kept = and_(log.period_id == period.id, or_(log.state.in_(WAITING), log.accepted_at >= cutoff))
    closed = (period.is_open.is_(False), period.closed_at >= EARLIEST, period.closed_at < cutoff)
    periods = select(period.id).where(*closed, ~exists().where(kept))
    return (
        # In the order of the index, which is then taken for it.
        select(day).where(day >= EARLIEST.toordinal(), day < cutoff.toordinal()).order_by(day),
        transmissions,
        transmissions.join(attempt, attempt.transmission_id == log.transmission_id),
        periods,
        periods.join(counter, counter.period_id == period.id),
        select(TelemetryTick.ran_at).where(TelemetryTick.ran_at >= EARLIEST, TelemetryTick.ran_at < cutoff),
    )

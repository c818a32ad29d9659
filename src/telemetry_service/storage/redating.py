"""Rows that a wrong clock has dated, dated again, so that they are kept for as long as the retention says from now on.

A row from before 2026 was written while the clock was not set yet. It would be the first to be deleted, however young
it is: a report that is repeated after that would count twice. A row from far ahead would be kept for years.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute

from telemetry_service.domain.clock import EARLIEST
from telemetry_service.storage.expiry import prefer_indexes
from telemetry_service.storage.tables import ReportingPeriod, TelemetryTick, TelemetryTransmissionLog, UsageReportId

FAR_AHEAD = timedelta(days=365)
"""What is dated further ahead than this does not stay so. What is nearer comes of age soon enough: to be kept for too
long harms less than to be dated again by a clock that is behind, and deleted too early."""


class _Dated(NamedTuple):
    """A column that the retention goes by."""

    key: InstrumentedAttribute[Any]
    date: InstrumentedAttribute[Any]
    whole_days: bool = False
    only: tuple[ColumnElement[bool], ...] = ()

    def of(self, moment: datetime) -> object:
        return moment.toordinal() if self.whole_days else moment


_COLUMNS = (
    _Dated(UsageReportId.report_id, UsageReportId.received_on, whole_days=True),
    _Dated(TelemetryTransmissionLog.sequence, TelemetryTransmissionLog.accepted_at),
    # A period that has a transmission is shown with it, and goes only after it.
    _Dated(
        ReportingPeriod.id,
        ReportingPeriod.closed_at,
        # Asked for one period at a time: PostgreSQL would make of a NOT EXISTS a look at all of them.
        only=(
            select(literal(1))
            .where(TelemetryTransmissionLog.period_id == ReportingPeriod.id)
            .limit(1)
            .scalar_subquery()
            .is_(None),
        ),
    ),
    _Dated(TelemetryTick.tick_key, TelemetryTick.ran_at),
)


class Redating:
    """All that a wrong clock has dated, on its way to the date of ``now``."""

    def __init__(self, now: datetime, *, ahead: bool) -> None:
        """Begin at the first column. With ``ahead`` rows from far ahead too: ``now`` is known not to be behind."""
        self._now = now
        self._left = [(dated, dated.date < dated.of(EARLIEST)) for dated in _COLUMNS]
        if ahead:
            self._left += [(dated, dated.date > dated.of(now + FAR_AHEAD)) for dated in _COLUMNS]

    def step(self, connection: Connection, rows: int) -> int:
        """Date up to ``rows`` rows again in the transaction of ``connection``; return how many, 0 when all are."""
        prefer_indexes(connection)
        while self._left:
            dated, wrong = self._left[0]
            some = select(dated.key).where(wrong, *dated.only).limit(rows)
            anew = update(dated.key.class_).where(dated.key.in_(some)).values({dated.date: dated.of(self._now)})
            if done := connection.execute(anew).rowcount:
                return done
            del self._left[0]
        return 0

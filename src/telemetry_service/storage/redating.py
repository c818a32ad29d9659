"""Dates rows again that were dated by a wrong clock, so that they are kept for the whole retention from now on.

A row from before 2026 was written before the clock was set. It would be deleted first, however new it is, and a report
repeated after that would count twice. A row from far in the future would be kept for years.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, literal, select, update

from telemetry_service.domain.clock import EARLIEST
from telemetry_service.storage.declaration import Mapped
from telemetry_service.storage.expiry import prefer_indexes
from telemetry_service.storage.tables import (
    Base,
    LedgerSaltedValue,
    ReportingPeriod,
    TelemetryTick,
    TelemetryTransmissionLog,
    UsageReportId,
)

FAR_AHEAD = timedelta(days=365)
"""Rows dated further ahead than this are dated again. Nearer ones expire soon enough: keeping a row too long does less
harm than dating it by a clock that is behind, and deleting it too early."""


class _Dated(NamedTuple):
    """A column that decides the age of a row."""

    row: type[Base]
    key: Mapped[Any]
    date: Mapped[Any]
    whole_days: bool = False
    only: tuple[ColumnElement[bool], ...] = ()

    def of(self, moment: datetime) -> object:
        return moment.toordinal() if self.whole_days else moment


_COLUMNS = (
    _Dated(UsageReportId, UsageReportId.report_id, UsageReportId.received_on, whole_days=True),
    _Dated(TelemetryTransmissionLog, TelemetryTransmissionLog.sequence, TelemetryTransmissionLog.accepted_at),
    _Dated(TelemetryTransmissionLog, TelemetryTransmissionLog.sequence, TelemetryTransmissionLog.withdrawn_at),
    # A period with a transmission is shown with it and deleted after it.
    _Dated(
        ReportingPeriod,
        ReportingPeriod.id,
        ReportingPeriod.closed_at,
        # One period at a time: PostgreSQL would turn a NOT EXISTS into a scan of all of them.
        only=(
            select(literal(1))
            .where(TelemetryTransmissionLog.period_id == ReportingPeriod.id)
            .limit(1)
            .scalar_subquery()
            .is_(None),
        ),
    ),
    _Dated(TelemetryTick, TelemetryTick.tick_key, TelemetryTick.ran_at),
    _Dated(LedgerSaltedValue, LedgerSaltedValue.sha256, LedgerSaltedValue.at),
)


class Redating:
    """Dates everything that a wrong clock has dated as of ``now``, step by step."""

    def __init__(self, now: datetime, *, ahead: bool) -> None:
        """Start at the first column. ``ahead`` includes rows from far ahead; pass it only if ``now`` is not behind."""
        self._now = now
        self._left = [(dated, dated.date < dated.of(EARLIEST)) for dated in _COLUMNS]
        if ahead:
            self._left += [(dated, dated.date > dated.of(now + FAR_AHEAD)) for dated in _COLUMNS]

    def step(self, connection: Connection, rows: int) -> int:
        """Date up to ``rows`` rows again in the transaction of ``connection``; return how many, 0 at the end."""
        prefer_indexes(connection)
        while self._left:
            dated, wrong = self._left[0]
            some = select(dated.key).where(wrong, *dated.only).limit(rows)
            anew = update(dated.row).where(dated.key.in_(some)).values({dated.date: dated.of(self._now)})
            if done := connection.execute(anew).rowcount:
                return done
            del self._left[0]
        return 0

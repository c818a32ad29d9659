"""What ``erase`` deletes at once; what the purge deletes too, it deletes in the purge's steps."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from telemetry_service.domain.errors import ErasureNotKeptError
from telemetry_service.storage.expiry import WAITING
from telemetry_service.storage.tables import (
    Base,
    EvidenceRow,
    ExtensionCodeRow,
    LedgerPendingRow,
    LedgerSaltedValue,
    ReportingPeriod,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
    UsageBouncer,
    UsageCounter,
)

_LOG = TelemetryTransmissionLog


class ErasureStore:
    """Nothing that it deletes can be brought back.

    Each deletion raises ``ErasureNotKeptError`` if the database still has some of it: a trigger may keep it.
    """

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def overwrite(self) -> None:
        """Let SQLite write zeros over whatever this connection deletes."""
        if self._connection.dialect.name == "sqlite":
            self._connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def transmissions(self) -> int:
        """Return how many transmissions there are."""
        return self._connection.execute(select(func.count()).select_from(_LOG)).scalar_one()

    def waiting(self, now: datetime) -> int | None:
        """Delete the transmissions that were not accepted; return how many, None if one is being sent."""
        free = or_(_LOG.claimed_until.is_(None), _LOG.claimed_until <= now)
        found = select(_LOG.transmission_id).where(_LOG.state.in_(WAITING))
        ids = self._connection.execute(found.where(free).with_for_update()).scalars().all()
        self._transmissions(ids)
        left = self._connection.execute(found.limit(1)).first()
        return None if left else len(ids)

    def open_period(self, period_id: int, now: datetime) -> None:
        """Forget what was counted in the open period, which must be locked, and begin it now."""
        for table in (UsageCounter, UsageBouncer):
            self._delete(table, table.period_id == period_id)
        begun = update(ReportingPeriod).where(ReportingPeriod.id == period_id)
        self._connection.execute(begun.values(opened_at=now, events=0, decisions=0, bouncers=0))

    def extension_codes(self) -> int:
        """Delete the extension codes; return how many."""
        return self._delete(ExtensionCodeRow)

    def persons(self) -> int:
        """Delete what the salted digests in the ledger stand for; return how many."""
        self._delete(LedgerPendingRow)
        return self._delete(LedgerSaltedValue)

    def rest(self, until: datetime) -> None:
        """Delete the transmissions up to a moment that the steps of the purge have left, whatever their rows say."""
        found = select(_LOG.transmission_id).where(_LOG.created_at <= until)
        self._transmissions(self._connection.execute(found).scalars().all())

    def _transmissions(self, ids: Sequence[UUID]) -> None:
        for table in (EvidenceRow, TelemetryTransmissionAttempt, _LOG):
            self._delete(table, table.transmission_id.in_(ids))

    def _delete(self, table: type[Base], *which: ColumnElement[bool]) -> int:
        """Delete rows; return how many. Others may write new ones meanwhile, or delete some themselves."""
        counted = select(func.count()).select_from(table).where(*which)
        before = self._connection.execute(counted).scalar_one()
        deleted = self._connection.execute(delete(table).where(*which)).rowcount
        if deleted < before and self._connection.execute(counted).scalar_one():
            raise ErasureNotKeptError
        return deleted

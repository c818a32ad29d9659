"""What ``erase`` deletes at once; what the purge deletes too, it deletes in the purge's steps."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select, update

from telemetry_service.storage.expiry import WAITING
from telemetry_service.storage.tables import (
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
    """Nothing that it deletes can be brought back."""

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
        for table in (EvidenceRow, TelemetryTransmissionAttempt, _LOG):
            self._connection.execute(delete(table).where(table.transmission_id.in_(ids)))
        left = self._connection.execute(found.limit(1)).first()
        return None if left else len(ids)

    def open_period(self, period_id: int, now: datetime) -> None:
        """Forget what was counted in the open period, which must be locked, and begin it now."""
        for table in (UsageCounter, UsageBouncer):
            self._connection.execute(delete(table).where(table.period_id == period_id))
        begun = update(ReportingPeriod).where(ReportingPeriod.id == period_id)
        self._connection.execute(begun.values(opened_at=now, events=0, decisions=0, bouncers=0))

    def extension_codes(self) -> int:
        """Delete the extension codes; return how many."""
        return self._connection.execute(delete(ExtensionCodeRow)).rowcount

    def persons(self) -> int:
        """Delete what the salted digests in the ledger stand for; return how many."""
        self._connection.execute(delete(LedgerPendingRow))
        return self._connection.execute(delete(LedgerSaltedValue)).rowcount

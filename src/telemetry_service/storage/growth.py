"""How much was written lately, which tells how fast the database grows."""

from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from telemetry_service.storage.tables import EvidenceRow, LedgerLineRow, TelemetryTransmissionLog, UsageReportId

_REPORT_BYTES = {"sqlite": 60, "postgresql": 110}
"""What the ID of a usage report takes with its index, rounded up from a measurement."""

_OVERHEAD = 1.5
"""Pages are not full, and rows have indexes."""


class GrowthStore:
    """Estimates; it reads what grows with use, and nothing else."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def bytes_since(self, moment: datetime) -> int:
        """Return about how many bytes of the disk were filled since ``moment``."""
        reports = self._number(
            select(func.count()).select_from(UsageReportId).where(UsageReportId.received_on >= moment.toordinal())
        )
        lines = self._number(select(func.sum(func.length(LedgerLineRow.line))).where(LedgerLineRow.at >= moment))
        kept = self._number(
            select(func.sum(func.length(EvidenceRow.content)))
            .join(TelemetryTransmissionLog, TelemetryTransmissionLog.transmission_id == EvidenceRow.transmission_id)
            .where(TelemetryTransmissionLog.created_at >= moment)
        )
        return reports * _REPORT_BYTES[self._connection.dialect.name] + int((lines + kept) * _OVERHEAD)

    def _number(self, query: Select[int]) -> int:
        return int(self._connection.execute(query).scalar() or 0)

"""Rows of every kind that are older than any retention."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, insert

from telemetry_service.domain.transmissions import State
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.tables import (
    EvidenceRow,
    ReportingPeriod,
    TelemetryTick,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
    UsageCounter,
    UsageReportId,
)

OLD = datetime(2026, 1, 1, tzinfo=UTC)
CUTOFF = OLD + timedelta(days=1)


@contextmanager
def opened(database_url: str) -> Iterator[Engine]:
    """Give an engine, as the service makes it."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


class OldRows:
    """Writes them, within the transaction of ``connection``. Each kind has numbers of its own, from 1."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def report_ids(self, count: int) -> None:
        rows = [{"report_id": UUID(int=number), "received_on": OLD.toordinal()} for number in range(count)]
        self._connection.execute(insert(UsageReportId), rows)

    def period(self, period_id: int) -> None:
        """Write a closed period; its id must be free: the open one has none of those from 1,000 on."""
        closed = {"opened_at": OLD, "is_open": False, "reportable": True, "closed_at": OLD, "closed_by": "tick"}
        self._connection.execute(insert(ReportingPeriod), [{"id": period_id, **closed}])

    def counters(self, period_id: int, count: int) -> None:
        """Write counters of one day, each of another bouncer."""
        key = {"period_id": period_id, "day": OLD.date(), "environment": "production"}
        counts = {"audit_events": 1, "policy_decisions": 0, "successful_decisions": 0}
        rows = [{"bouncer_id": f"bouncer-{number:06}", **key, **counts} for number in range(count)]
        self._connection.execute(insert(UsageCounter), rows)

    def transmission(self, period_id: int, attempts: int = 1, state: State = State.SUCCESS) -> None:
        """Write the transmission of a period, with its attempts."""
        transmission_id = UUID(int=period_id)
        self._connection.execute(
            insert(TelemetryTransmissionLog).values(
                transmission_id=transmission_id,
                period_id=period_id,
                trigger="scheduled",
                state=state,
                prepared_sha256="0" * 64,
                records_sent=0,
                created_at=OLD,
                next_trigger="tick",
                attempts_made=attempts,
                accepted_at=OLD if state is State.SUCCESS else None,
            )
        )
        rows = [self._attempt(transmission_id, number + 1) for number in range(attempts)]
        self._connection.execute(insert(TelemetryTransmissionAttempt), rows)
        kept = {"transmission_id": transmission_id, "sha256": "0" * 64, "content": b"{}"}
        self._connection.execute(insert(EvidenceRow).values(kept))

    def tick(self) -> None:
        self._connection.execute(insert(TelemetryTick).values(tick_key="2024", ran_at=OLD, result="closed"))

    @staticmethod
    def _attempt(transmission_id: UUID, number: int) -> dict[str, object]:
        return {
            "transmission_id": transmission_id,
            "number": number,
            "trigger": "tick",
            "started_at": OLD,
            "transmitted_at": "2024-01-01T00:00:00.000Z",
            "timestamp": 1,
            "payload_sha256": "0" * 64,
            "body_sha256": "0" * 64,
            "body_bytes": 2,
            "encrypted": False,
            "key_id": "0" * 16,
            "state": "success",
            "duplicate": False,
        }

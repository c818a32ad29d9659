"""The latest contacts with the License Server, in one row that retention never touches."""

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from telemetry_service.domain.transmissions import Contact, DeliveryRecord, State
from telemetry_service.storage.tables import LicenseServerContact as Row
from telemetry_service.storage.tables import TelemetryTransmissionLog


class ContactStore:
    """What health is read from."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def attempted(self, contact: Contact) -> None:
        """Note the end of an attempt."""
        values: dict[str, object] = {
            "attempt_at": contact.at,
            "attempt_ok": contact.ok,
            "attempt_cause": contact.cause,
        }
        if contact.ok:
            values["last_accepted_at"] = contact.at
        self._connection.execute(update(Row).values(values))

    def tested(self, contact: Contact) -> None:
        """Note the verdict of a connection test."""
        self._connection.execute(update(Row).values(test_at=contact.at, test_ok=contact.ok, test_cause=contact.cause))

    def forget_failures(self) -> None:
        """Forget failed contacts: the connection has been changed, and nothing is known of the new one."""
        self._connection.execute(
            update(Row).where(Row.attempt_ok.is_(False)).values(attempt_at=None, attempt_ok=None, attempt_cause=None)
        )
        self._connection.execute(
            update(Row).where(Row.test_ok.is_(False)).values(test_at=None, test_ok=None, test_cause=None)
        )

    def record(self) -> DeliveryRecord:
        """Return how delivery has gone so far."""
        row = self._connection.execute(select(Row.__table__)).one()
        waiting = self._connection.execute(
            select(func.count())
            .select_from(TelemetryTransmissionLog)
            .where(TelemetryTransmissionLog.state != State.SUCCESS)
        ).scalar_one()
        return DeliveryRecord(
            waiting=waiting,
            last_attempt=_contact(row.attempt_at, row.attempt_ok, row.attempt_cause),
            last_test=_contact(row.test_at, row.test_ok, row.test_cause),
            last_accepted_at=row.last_accepted_at,
        )


def _contact(at: datetime | None, ok: bool | None, cause: object) -> Contact | None:  # noqa: FBT001 - a column's value
    if at is None or ok is None:
        return None
    return Contact(at, ok, cause)  # type: ignore[arg-type]  # the column holds a Cause or nothing

"""The identity of this installation, and the rows that must exist before any others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, select, update

from telemetry_service.domain.configuration import Retention
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.schedule import Frequency, next_run_after
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.stamps import INSTALLATION as STAMPED
from telemetry_service.storage.stamps import StampStore
from telemetry_service.storage.tables import (
    Installation,
    LastExchangeRow,
    ReportingPeriod,
    TelemetryConfiguration,
    TelemetrySchedule,
)
from telemetry_service.storage.upsert import insert as insert_unless_known


class InstallationStore:
    """The one row of ``installation``."""

    def __init__(self, connection: Connection, stamps: StampStore) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._stamps = connection, stamps

    def instance_id(self) -> UUID:
        """Return the random ID of this installation."""
        return instance_in(self._connection.execute(select(Installation.instance_id)).first() or ())

    def sealed_for(self) -> UUID:
        """Return the ID that sealed values are bound to."""
        return self._connection.execute(select(INSTALLATION)).scalar() or NOWHERE

    def reset_instance_id(self) -> UUID:
        """Replace the ID of this installation by a new random one, and return that."""
        instance_id = uuid4()
        with self._stamps.kept(STAMPED, meant={"instance_id": instance_id}):
            self._connection.execute(update(Installation).values(instance_id=instance_id))
        return instance_id

    def exists(self) -> bool:
        """Whether the rows of the first start exist."""
        return self._connection.execute(select(Installation.id)).first() is not None

    def rewrite(self) -> None:
        """Write the row unchanged, which shows whether anything can be written."""
        self._connection.execute(update(Installation).values(created_at=Installation.created_at))

    def create(self, now: datetime) -> bool:
        """Write the rows of the first start, unless they exist: identity, settings, schedule, exchanges, first period.

        If several replicas start together, one writes them and the others wait.
        """
        identity = insert_unless_known(self._connection, Installation).values(
            id=1, instance_id=uuid4(), created_at=now, sealed_for=uuid4()
        )
        # Not every driver knows the row count of an INSERT, but each returns its rows.
        written = identity.on_conflict_do_nothing().returning(Installation.id)
        if self._connection.execute(written).first() is None:
            return False
        self._create_defaults(now)
        return True

    def connection_digest(self) -> bytes | None:
        """Return the digest of the connection that a process last started to use; None if none ever did."""
        return self._connection.execute(select(Installation.connection_digest)).scalar()

    def remember_connection(self, digest: bytes) -> None:
        """Store the digest of the connection that a process starts to use."""
        self._connection.execute(update(Installation).values(connection_digest=digest))

    def restored_at(self) -> datetime | None:
        """Return when this was noticed to be a restored copy; None if that is settled.

        Raises:
            NotVerifiedYetError: someone has changed the row since this transaction has compared it with its stamp.
        """
        self._stamps.confirm_now(STAMPED)
        return self._connection.execute(select(Installation.restored_at)).scalar()

    def restored(self, at: datetime | None) -> None:
        """Note it, or that it is settled."""
        with self._stamps.kept(STAMPED, meant={"restored_at": at}):
            self._connection.execute(update(Installation).values(restored_at=at))

    def _create_defaults(self, now: datetime) -> None:
        execute = self._connection.execute
        execute(
            insert(TelemetryConfiguration).values(
                id=1,
                version=1,
                enabled=True,
                frequency=Frequency.TWICE_MONTHLY,
                encrypt_payload=True,
                anonymize_pii=True,
                retention_days=Retention.DEFAULT.value,
                updated_at=now,
            )
        )
        first_run = next_run_after(Frequency.TWICE_MONTHLY, now)
        execute(insert(TelemetrySchedule).values(id=1, next_run_at=first_run, next_purge_at=now + timedelta(days=1)))
        execute(insert(LastExchangeRow).values(id=1))
        execute(insert(ReportingPeriod).values(opened_at=now, is_open=True, reportable=True))


def instance_in(row: Sequence[UUID | None]) -> UUID:
    """Return the ID from what the row holds: one value, or none if there is no row.

    Raises:
        RowUnreadableError: it is missing.
    """
    if not row or row[0] is None:
        raise RowUnreadableError(str(Installation.instance_id))
    return row[0]

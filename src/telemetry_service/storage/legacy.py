"""Rows of a version without a ledger, until the first start takes them over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, exists, select

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.outcome import may_have_arrived
from telemetry_service.storage.tables import LedgerLineRow, OldActivity
from telemetry_service.storage.tables import TelemetryTransmissionAttempt as AttemptRow
from telemetry_service.storage.tables import TelemetryTransmissionLog as Log


@dataclass(frozen=True, slots=True)
class OldAttempt:
    """An attempt of an older version, with what its bytes were made of."""

    number: int
    transmitted_at: str
    customer_id: str | None
    timestamp: int
    payload_sha256: str
    body_sha256: str
    encrypted: bool
    iv: bytes | None
    key_id: str
    cause: Cause | None
    response_code: int | None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the License Server may have the payload because of it."""
        return may_have_arrived(self.cause, self.response_code)


@dataclass(frozen=True, slots=True)
class OldEntry:
    """An entry of the activity list that the ledger replaces."""

    id: int
    at: datetime
    actor: str
    action: str
    details: dict[str, Any]


_ATTEMPT = tuple(OldAttempt.__slots__)


class LegacyStore:
    """Finds what was not taken over yet."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def transmissions(self, limit: int) -> tuple[UUID, ...]:
        """Return the IDs of transmissions that the ledger does not know, oldest first."""
        known = exists().where(LedgerLineRow.transmission_id == Log.transmission_id)
        query = select(Log.transmission_id).where(~known).order_by(Log.sequence).limit(limit)
        return tuple(self._connection.execute(query).scalars())

    def attempts(self, transmission_id: UUID) -> tuple[OldAttempt, ...]:
        """Return the attempts of an old transmission, oldest first."""
        query = select(*(getattr(AttemptRow, name) for name in _ATTEMPT)).order_by(AttemptRow.number)
        rows = self._connection.execute(query.where(AttemptRow.transmission_id == transmission_id))
        return tuple(OldAttempt(*row) for row in rows)

    def activity(self, limit: int) -> tuple[OldEntry, ...]:
        """Return entries of the old activity list, oldest first."""
        query = select(OldActivity.id, OldActivity.at, OldActivity.actor, OldActivity.action, OldActivity.details)
        return tuple(OldEntry(*row) for row in self._connection.execute(query.order_by(OldActivity.id).limit(limit)))

    def remove_activity(self, ids: Sequence[int]) -> None:
        """Remove entries that the ledger has now."""
        self._connection.execute(delete(OldActivity).where(OldActivity.id.in_(ids)))

"""Rows of a version without a ledger, until the first start takes them over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, exists, literal, select

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.outcome import may_have_arrived
from telemetry_service.domain.transmissions import State
from telemetry_service.storage.stamps import STAMPED
from telemetry_service.storage.tables import (
    AnnouncedSchema,
    EvidenceRow,
    LedgerLineRow,
    LedgerPendingRow,
    LedgerSaltedValue,
    LedgerVerification,
    OldActivity,
)
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


_NEW_STATES = (State.AWAITING_RELEASE, State.EXPORTED, State.WITHDRAWN)
_ATTEMPT = tuple(OldAttempt.__slots__)


class LegacyStore:
    """Finds what was not taken over yet."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def ledger_was_emptied(self) -> bool:
        """Whether a ledger is empty, or ends before it has begun, that had begun: only what it had written is left.

        What the first start writes with the beginning of the ledger is a trace of it, and so is what later ones write.
        """
        stamps = (table.table.__table__.c["stamp"].is_not(None) for table in STAMPED)
        traces = (*stamps, AnnouncedSchema.schema_sha256.is_not(None), LedgerVerification.id.is_not(None))
        states = Log.withdrawn_at.is_not(None) | Log.state.in_(_NEW_STATES)
        return self._any(*traces, states) or (self._is_empty() and self._any(*self._left_by_entries()))

    def ledger_was_lost(self) -> bool:
        """Whether a version with a ledger has been here: its schema may have been downgraded, which ends a ledger."""
        unnamed = AttemptRow.customer_id.is_(None) | (AttemptRow.customer_id == "")
        return self._any(unnamed, Log.customer_sealed.is_not(None))

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

    def _is_empty(self) -> bool:
        return not self._any(LedgerLineRow.seq.is_not(None))

    def _left_by_entries(self) -> tuple[ColumnElement[bool], ...]:
        named = exists().where(
            Log.transmission_id == EvidenceRow.transmission_id, Log.prepared_sha256 == EvidenceRow.sha256
        )
        return (
            LedgerSaltedValue.sha256.is_not(None),
            LedgerPendingRow.kind.is_not(None),
            ~named & EvidenceRow.sha256.is_not(None),
        )

    def _any(self, *conditions: ColumnElement[bool]) -> bool:
        """Whether any row meets any of the conditions; each is about one table."""
        return any(self._connection.execute(select(literal(1)).where(it).limit(1)).first() for it in conditions)

    def remove_activity(self, ids: Sequence[int]) -> None:
        """Remove entries that the ledger has now."""
        self._connection.execute(delete(OldActivity).where(OldActivity.id.in_(ids)))

"""Redeemed extension codes: each is included in exactly one transmission."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select, update

from telemetry_service.domain.errors import ExtensionCodeConflictError
from telemetry_service.domain.facts import ExtensionCode
from telemetry_service.domain.payload import MAX_CODES
from telemetry_service.storage.rows import filled
from telemetry_service.storage.tables import ExtensionCodeRow as Row
from telemetry_service.storage.upsert import insert

_REDEMPTION = 0x65787463_6F646573
"""The key of PostgreSQL's advisory lock that adding a code takes exclusively, so that the count is right."""

_CHUNK = 1_000
"""Parameters in one statement."""
_WAITING = (
    select(Row.code_id).where(Row.transmission_id.is_(None)).order_by(Row.redeemed_at, Row.code_id).limit(MAX_CODES)
)


class ExtensionCodeStore:
    """A code is never deleted: its ID is its idempotency key."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def redeem(self, code: ExtensionCode) -> bool:
        """Record a code; False if it was recorded before.

        No other transaction can add codes until this one ends.

        Raises:
            ExtensionCodeConflictError: the code was already recorded with a different redemption time.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_REDEMPTION})")
        new = insert(self._connection, Row).values(code_id=code.code_id, redeemed_at=code.redeemed_at)
        if self._connection.execute(new.on_conflict_do_nothing().returning(Row.code_id)).first() is not None:
            return True
        known = self._connection.execute(select(Row.redeemed_at).where(Row.code_id == code.code_id)).scalar_one()
        if known != code.redeemed_at:
            raise ExtensionCodeConflictError
        return False

    def known(self, code_ids: Sequence[str]) -> dict[str, datetime]:
        """Return those of ``code_ids`` that were recorded, with their redemption times."""
        found: dict[str, datetime] = {}
        for start in range(0, len(code_ids), _CHUNK):
            query = select(Row.code_id, Row.redeemed_at).where(Row.code_id.in_(code_ids[start : start + _CHUNK]))
            found.update({row.code_id: row.redeemed_at for row in self._connection.execute(query)})
        return found

    def waiting(self) -> tuple[str, ...]:
        """Return the codes that are not in a transmission yet, oldest first, at most as many as fit in a payload."""
        return tuple(filled(row, (Row.code_id,))[0] for row in self._connection.execute(_WAITING))

    def count_waiting(self, most: int) -> int:
        """Return how many codes are not in a transmission yet; counting ends at ``most``."""
        bounded = select(Row.code_id).where(Row.transmission_id.is_(None)).limit(most).subquery()
        return self._connection.execute(select(func.count()).select_from(bounded)).scalar_one()

    def assign(self, code_ids: tuple[str, ...], transmission_id: UUID) -> None:
        """Include ``code_ids`` in a transmission."""
        if code_ids:
            self._connection.execute(
                update(Row).where(Row.code_id.in_(code_ids)).values(transmission_id=transmission_id)
            )

    def give_back(self, transmission_id: UUID) -> None:
        """Include the codes of a withdrawn transmission in the next one."""
        self._connection.execute(
            update(Row)
            .where(Row.transmission_id == transmission_id, Row.accepted_at.is_(None))
            .values(transmission_id=None)
        )

    def sent_before(self, restored_at: datetime, now: datetime) -> None:
        """Count the codes that waited in a restored copy as sent, in a transmission that it does not know."""
        unknown = Row.transmission_id.is_(None), Row.redeemed_at <= restored_at
        self._connection.execute(update(Row).where(*unknown).values(transmission_id=UUID(int=0), accepted_at=now))

    def accepted(self, transmission_id: UUID, now: datetime) -> None:
        """Note that the License Server has the codes of a transmission."""
        self._connection.execute(
            update(Row).where(Row.transmission_id == transmission_id, Row.accepted_at.is_(None)).values(accepted_at=now)
        )

"""What the ledger's own retention deletes: what salted digests stand for, and its oldest lines."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.ledger import Kind
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.ledger import Head, Signer
from telemetry_service.storage.tables import LedgerHeadRow as HeadRow
from telemetry_service.storage.tables import LedgerKeyRow as KeyRow
from telemetry_service.storage.tables import LedgerLineRow as LineRow
from telemetry_service.storage.tables import LedgerSaltedValue as SaltedRow
from telemetry_service.storage.tables import TelemetryTransmissionLog as Log


class LedgerRetentionStore:
    """Each step is meant to be a separate transaction."""

    def __init__(self, connection: Connection, signer: Signer | None) -> None:
        """Work within the transaction of ``connection``; ``signer`` signs where the ledger begins."""
        self._connection, self._signer = connection, signer

    def erase_salted(self, cutoff: datetime, rows: int) -> int:
        """Erase up to ``rows`` values that were written before ``cutoff``; return how many, 0 when none are left."""
        old = select(SaltedRow.sha256).where(SaltedRow.at < cutoff).order_by(SaltedRow.at).limit(rows)
        return self._connection.execute(delete(SaltedRow).where(SaltedRow.sha256.in_(old))).rowcount

    def first_needed(self) -> int | None:
        """Return the place of the first line about a transmission that has a row; None if there is none."""
        with_rows = LineRow.transmission_id.in_(select(Log.transmission_id))
        return self._connection.execute(select(func.min(LineRow.seq)).where(with_rows)).scalar()

    def prune(self, last: Head, now: datetime) -> int:
        """Delete the lines up to ``last``, and sign that the chain begins behind it; return how many they were.

        Lines about keys stay, because later ones are verified with them.

        Raises:
            KeyUnusableError: the ledger's key cannot be opened.
        """
        assert self._signer is not None  # noqa: S101 - only a migration has none, and it prunes nothing
        query = select(HeadRow.key_id, KeyRow.sealed, INSTALLATION).join(KeyRow, KeyRow.key_id == HeadRow.key_id)
        key = self._connection.execute(query).one_or_none()
        if key is None or key.key_id is None:
            return 0
        said: Mapping[str, object] = {
            "kind": "checkpoint",
            "seq": last.seq,
            "sha256": last.sha256,
            "at": rfc3339(now),
        }
        checkpoint = self._signer.sign(key.key_id, bytes(key.sealed), key.installation or NOWHERE, said)
        old = delete(LineRow).where(LineRow.seq <= last.seq, LineRow.kind != Kind.LEDGER_KEY.value)
        deleted = self._connection.execute(old).rowcount
        self._connection.execute(update(HeadRow).values(checkpoint=checkpoint))
        return deleted

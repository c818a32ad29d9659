"""The sealed verdict of the sweep."""

from sqlalchemy import Connection, LargeBinary, cast, select

from telemetry_service.storage.tables import LedgerVerification as Row
from telemetry_service.storage.upsert import insert


class LedgerVerificationStore:
    """One row, which only the holder of the key can read or write."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def sealed(self, *, lock: bool = False) -> bytes | None:
        """Return the sealed verdict, or None if there is none; ``lock`` keeps others from replacing it."""
        # Bytes, even if someone has put a text there: on SQLite, a column may hold anything.
        query = select(cast(Row.sealed, LargeBinary)).where(Row.id == 1)
        return self._connection.execute(query.with_for_update() if lock else query).scalar()

    def replace(self, sealed: bytes) -> None:
        """Put a sealed verdict in the place of the last."""
        written = insert(self._connection, Row).values(id=1, sealed=sealed)
        self._connection.execute(written.on_conflict_do_update(index_elements=[Row.id], set_={"sealed": sealed}))

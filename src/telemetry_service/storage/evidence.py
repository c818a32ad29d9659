"""The exact bytes that digests name: payloads as prepared and as sent, and bodies as they crossed the network."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from uuid import UUID

from sqlalchemy import Connection, LargeBinary, bindparam, cast, delete, select

from telemetry_service.storage.rows import full_rows
from telemetry_service.storage.tables import EvidenceRow as Row
from telemetry_service.storage.upsert import insert

_CONTENT = cast(Row.content, LargeBinary).label("content")
"""As bytes, even where someone has put a text: on SQLite, a column may hold anything."""
_OF_TRANSMISSION = select(Row.sha256, _CONTENT).where(
    Row.transmission_id == bindparam("transmission_id"), Row.sha256.in_(bindparam("digests"))
)


class EvidenceStore:
    """Bytes belong to a transmission and are deleted with it."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def keep(self, transmission_id: UUID, content: bytes) -> str:
        """Keep ``content`` and return its hex SHA-256 digest."""
        digest = hashlib.sha256(content).hexdigest()
        row = {"transmission_id": transmission_id, "sha256": digest, "content": content}
        self._connection.execute(insert(self._connection, Row).values(row).on_conflict_do_nothing())
        return digest

    def forget(self, transmission_id: UUID, digests: Collection[str]) -> None:
        """Delete what is kept under these digests of a transmission."""
        self._connection.execute(delete(Row).where(Row.transmission_id == transmission_id, Row.sha256.in_(digests)))

    def get(self, transmission_id: UUID, sha256: str) -> bytes | None:
        """Return the bytes kept under a digest, whatever they are now; None if there are none."""
        return self.of(transmission_id, {sha256}).get(sha256)

    def of(self, transmission_id: UUID, digests: Collection[str]) -> dict[str, bytes]:
        """Return the bytes kept under several digests of a transmission."""
        asked = {"transmission_id": transmission_id, "digests": tuple(set(digests))}
        rows = full_rows(self._connection.execute(_OF_TRANSMISSION, asked))
        return {row.sha256: bytes(row.content) for row in rows}

    def of_each(self, digests: Mapping[UUID, str]) -> dict[UUID, bytes]:
        """Return the bytes that each transmission keeps under its digest, as far as there are any."""
        query = select(Row.transmission_id, Row.sha256, _CONTENT).where(
            Row.transmission_id.in_(digests.keys()), Row.sha256.in_(set(digests.values()))
        )
        rows = full_rows(self._connection.execute(query))
        return {row.transmission_id: bytes(row.content) for row in rows if digests[row.transmission_id] == row.sha256}

    def anywhere(self, digests: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the bytes kept under several digests for any transmission, each with its digest."""
        query = select(Row.sha256, _CONTENT).where(Row.sha256.in_(set(digests)))
        yield from ((row.sha256, bytes(row.content)) for row in full_rows(self._connection.execute(query)))

    def after(self, sha256: str, limit: int) -> tuple[tuple[str, bytes], ...]:
        """Return what is kept under digests above ``sha256``, in their order."""
        query = select(Row.sha256, _CONTENT).where(Row.sha256 > sha256)
        rows = full_rows(self._connection.execute(query.order_by(Row.sha256, Row.transmission_id).limit(limit)))
        return tuple((row.sha256, bytes(row.content)) for row in rows)

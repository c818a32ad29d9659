"""The payload of a waiting transmission: its bytes are evidence, and must be those that were signed at the closing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.errors import PayloadChangedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import Transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import StoredLine

_PREPARES = frozenset({Kind.PREPARED.value, Kind.MIGRATED.value})
"""The kinds of lines that name the payload of a transmission. The latest one counts."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A payload as it was signed when its period was closed, or when it was prepared again."""

    content: bytes
    """The canonical payload without ``transmitted_at``."""
    schema_sha256: str
    """The digest of its schema."""


def prepared_of(runtime: Runtime, tx: Transaction, transmission: Transmission) -> Prepared:
    """Return the stored payload of a transmission.

    Raises:
        PayloadChangedError: it is not the one that was signed, or its signature cannot be verified.
    """
    claims = signed_claims(runtime, tx, transmission.transmission_id)
    content = tx.evidence.get(transmission.transmission_id, transmission.prepared_sha256)
    if claims is None or content is None or claims.get("prepared_sha256") != transmission.prepared_sha256:
        raise PayloadChangedError
    if sha256_hex(content) != transmission.prepared_sha256 or claims.get("records") != transmission.records_sent:
        raise PayloadChangedError
    return Prepared(content, claims["schema_sha256"])


def signed_claims(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> Mapping[str, Any] | None:
    """Return what the latest line that names the payload says; None if there is none that we have signed."""
    lines, keys = tx.ledger.of_transmission(transmission_id), runtime.ledger_keys(tx)
    read = [line_about(line, keys, transmission_id) for line in lines]
    if None in read:
        return None  # An earlier payload must not be sent because the line that replaced it was hidden.
    return next((said for said in reversed(read) if said is not None and said["kind"] in _PREPARES), None)


def line_about(line: StoredLine, keys: Mapping[str, bytes], transmission_id: UUID) -> dict[str, Any] | None:
    """Return what a line about a transmission says; None if we have not signed it, or not for its place and index."""
    said = read_line(line.line, keys)
    index = (line.seq, line.kind, str(transmission_id))
    return None if said is None or (said["seq"], said["kind"], said.get("transmission_id")) != index else said

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
    lines = [line for line in tx.ledger.of_transmission(transmission_id) if line.kind in _PREPARES]
    if not lines:
        return None
    claims = read_line(lines[-1].line, runtime.ledger_keys(tx))
    named = claims is not None and claims.get("transmission_id") == str(transmission_id)
    return claims if named and claims is not None and claims.get("kind") in _PREPARES else None

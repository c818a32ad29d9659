"""Seal one attempt: serialize once, then encrypt and sign exactly the bytes that are sent."""

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from telemetry_service.domain.errors import PayloadContradictionError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.sealing import jwe
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.signature import sign

JSON_TYPE = "application/json"
JOSE_TYPE = "application/jose"

_PING = b"{}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed attempt: what is sent, and what is kept of it."""

    message: SealedMessage
    payload: bytes
    """The canonical payload, before encryption."""
    payload_sha256: str
    """Hex digest of the canonical payload, before encryption."""
    body_sha256: str
    """Hex digest of the bytes as sent."""
    encrypted: bool


def seal(  # noqa: PLR0913, PLR0917 - what makes up one message
    plaintext: bytes,
    transmission_id: UUID,
    timestamp: int,
    api_key: str,
    encrypt: bool,  # noqa: FBT001 - a setting's value, passed on
    iv: bytes | None = None,
    ledger: str | None = None,
) -> Sealed:
    """Return the canonical payload as it is sent. ``timestamp`` is in Unix seconds.

    ``ledger`` is the head of the ledger, if it is to be reported.
    Pass ``iv`` only to take over what version 0.1.0 sent; otherwise a new one is generated.
    """
    if encrypt:
        content_type, body = JOSE_TYPE, jwe.encrypt(plaintext, api_key, iv or secrets.token_bytes(jwe.IV_BYTES))
    else:
        content_type, body = JSON_TYPE, plaintext
    return Sealed(
        message=_message(transmission_id, timestamp, api_key, content_type, body, ledger),
        payload_sha256=hashlib.sha256(plaintext).hexdigest(),
        payload=plaintext,
        body_sha256=hashlib.sha256(body).hexdigest(),
        encrypted=encrypt,
    )


def seal_ping(transmission_id: UUID, timestamp: int, api_key: str) -> SealedMessage:
    """Return the signed message of a connection test. There is no telemetry in it."""
    return _message(transmission_id, timestamp, api_key, JSON_TYPE, _PING)


def payload_bytes(payload: TelemetryAggregatePayload) -> bytes:
    """Return the canonical bytes of a payload, validated once more.

    The last validation comes after the last transformation: it catches an object that bypassed its validators, or a
    serializer that changes something, before anything is sent.

    Raises:
        PayloadContradictionError: the payload is not valid, or its bytes do not read back as the same payload.
    """
    try:
        plaintext = canonical_json(payload.model_dump(mode="json", warnings="none"))
        if TelemetryAggregatePayload.model_validate_json(plaintext) == payload:
            return plaintext
    except ValueError:  # A ValidationError is one, and it quotes the refused value.
        pass
    raise PayloadContradictionError


def _message(
    transmission_id: UUID, timestamp: int, api_key: str, content_type: str, body: bytes, ledger: str | None = None
) -> SealedMessage:
    return SealedMessage(
        transmission_id=transmission_id,
        timestamp=timestamp,
        key_id=key_id(api_key),
        signature=sign(api_key, transmission_id, timestamp, body),
        content_type=content_type,
        body=body,
        ledger=ledger,
    )

"""Proves what was sent: reproduces the bytes of an attempt and compares them with their stored digests."""

import hashlib
from dataclasses import dataclass

from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.transmissions import Attempt, Transmission
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.sealer import payload_bytes, seal


@dataclass(frozen=True, slots=True)
class Proof:
    """What one attempt sent, byte for byte."""

    payload: bytes
    """The canonical payload, before encryption."""
    payload_matches: bool
    """Whether its digest equals the one stored when it was sent."""
    message: SealedMessage | None
    """What was sent, headers included; None if the API key that sealed it has been replaced."""
    body: bytes | None
    """The bytes as sent; None if the API key that encrypted them has been replaced."""
    body_matches: bool | None


def prove(snapshot: Snapshot, transmission: Transmission, attempt: Attempt) -> Proof:
    """Reproduce what an attempt sent; without the key that sealed it, only the payload."""
    payload = payload_as_sent(transmission, attempt)
    message = _message(snapshot, transmission, attempt)
    body = message.body if message else None if attempt.encrypted else payload
    return Proof(
        payload=payload,
        payload_matches=hashlib.sha256(payload).hexdigest() == attempt.payload_sha256,
        message=message,
        body=body,
        body_matches=None if body is None else hashlib.sha256(body).hexdigest() == attempt.body_sha256,
    )


def payload_as_sent(transmission: Transmission, attempt: Attempt) -> bytes:
    """Return the canonical payload of an attempt, with its ``transmitted_at``."""
    return payload_bytes(_payload(transmission, attempt))


def _payload(transmission: Transmission, attempt: Attempt) -> TelemetryAggregatePayload:
    prepared = PreparedPayload.model_validate_json(transmission.payload)
    sent = {**dict(prepared), "customer_id": attempt.customer_id, "transmitted_at": attempt.transmitted_at}
    return TelemetryAggregatePayload(**sent)


def _message(snapshot: Snapshot, transmission: Transmission, attempt: Attempt) -> SealedMessage | None:
    api_key = _key_of(snapshot, attempt)
    if api_key is None:
        return None
    payload = _payload(transmission, attempt)
    sealed = seal(
        payload, transmission.transmission_id, attempt.timestamp, api_key, encrypt=attempt.encrypted, iv=attempt.iv
    )
    return sealed.message


def _key_of(snapshot: Snapshot, attempt: Attempt) -> str | None:
    """Return the API key if it is still the one that sealed the attempt."""
    stored = snapshot.configuration.api_key
    if stored is None or stored.key_id != attempt.key_id:
        return None
    try:
        api_key = snapshot.api_key
    except KeyUnusableError:
        return None
    return api_key if key_id(api_key) == attempt.key_id else None

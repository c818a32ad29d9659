"""The messages that a check sends: right ones, and those that differ from a right one in exactly one thing."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from telemetry_service.domain.clock import rfc3339, time_ordered_id
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.schema import PayloadSchema
from telemetry_service.license_server.client import PING_PATH, TRANSMISSION_PATH
from telemetry_service.sealing import jwe
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.signature import sign

JSON = "application/json"
JOSE = "application/jose"

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it is sent."""

    transmission_id: UUID
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    payload: bytes = b""
    """The canonical payload, before encryption."""

    def but(self, name: str, *values: str) -> "Message":
        """Return the same message with these values of one header, or without it; the signature stays."""
        kept = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*kept, *((name, value) for value in values)))

    @property
    def sealed(self) -> SealedMessage:
        """The same message in the form that a bundle is made of."""
        return SealedMessage(
            self.transmission_id,
            int(self.header("X-Telemetry-Timestamp")),
            self.header("X-Telemetry-Key-Id"),
            self.header("X-Telemetry-Signature"),
            self.header("Content-Type"),
            self.body,
        )

    def header(self, name: str) -> str:
        """Return the value of a header."""
        return dict(self.headers)[name]


@dataclass(frozen=True, slots=True)
class Customer:
    """The test customer whose transmissions are sent, and its API key."""

    api_key: str
    customer_id: str

    def __repr__(self) -> str:
        """Show the key ID, never the key."""
        return f"Customer({key_id(self.api_key)})"

    def payload(self, now: datetime, schema: PayloadSchema | None = None, **changes: Any) -> Payload:  # noqa: ANN401 - any JSON value
        """Return a valid payload of a schema, except for ``changes``: the examples of its fields."""
        examples = {field.name: field.example for field in (schema or current_schema()).root.fields}
        return examples | {"customer_id": self.customer_id, "transmitted_at": rfc3339(now)} | changes

    def transmission(
        self,
        now: datetime,
        payload: Mapping[str, Any] | bytes,
        *,
        transmission_id: UUID | None = None,
        encrypted: bool = True,
    ) -> Message:
        """Return a signed transmission of a payload; encrypted, because every License Server accepts that."""
        plaintext = payload if isinstance(payload, bytes) else canonical_json(dict(payload))
        if encrypted:
            body, content_type = jwe.encrypt(plaintext, self.api_key, secrets.token_bytes(jwe.IV_BYTES)), JOSE
        else:
            body, content_type = plaintext, JSON
        signed = self.signed(now, body, content_type, transmission_id=transmission_id)
        return replace(signed, payload=plaintext)

    def ping(self, now: datetime, body: bytes = b"{}", transmission_id: UUID | None = None) -> Message:
        """Return a signed connection test."""
        return self.signed(now, body, JSON, transmission_id=transmission_id, path=PING_PATH)

    def signed(
        self,
        now: datetime,
        body: bytes,
        content_type: str,
        *,
        transmission_id: UUID | None = None,
        path: str = TRANSMISSION_PATH,
    ) -> Message:
        """Return any body, correctly signed."""
        named, timestamp = transmission_id or time_ordered_id(now), int(now.timestamp())
        signature = sign(self.api_key, named, timestamp, body)
        message = SealedMessage(named, timestamp, key_id(self.api_key), signature, content_type, body)
        return Message(named, path, tuple(message.headers().items()), body)

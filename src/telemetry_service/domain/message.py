"""The sealed bytes of one attempt, between the room that seals and the room that sends."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """What goes over the wire: the body as sent, and what its headers say."""

    transmission_id: UUID
    timestamp: int
    """Unix seconds of this attempt."""
    key_id: str
    signature: str
    """The whole value of ``X-Telemetry-Signature``."""
    content_type: str
    body: bytes

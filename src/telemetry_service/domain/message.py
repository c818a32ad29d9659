"""The sealed bytes of one attempt, passed from ``sealing`` to ``license_server``."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """What is sent: the body, and the values of its headers."""

    transmission_id: UUID
    timestamp: int
    """Unix seconds of this attempt."""
    key_id: str
    signature: str
    """The whole value of ``X-Telemetry-Signature``."""
    content_type: str
    body: bytes

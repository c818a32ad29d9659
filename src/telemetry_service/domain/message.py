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
    ledger: str | None = None
    """The value of ``X-Telemetry-Ledger``: the head of the ledger before the attempt; None if no receipt can
    repeat it."""

    def headers(self) -> dict[str, str]:
        """Return the headers of the protocol, in the order in which they are sent."""
        named = {
            "Content-Type": self.content_type,
            "X-Telemetry-Id": str(self.transmission_id),
            "X-Telemetry-Timestamp": str(self.timestamp),
            "X-Telemetry-Signature": self.signature,
            "X-Telemetry-Key-Id": self.key_id,
        }
        return named if self.ledger is None else {**named, "X-Telemetry-Ledger": self.ledger}

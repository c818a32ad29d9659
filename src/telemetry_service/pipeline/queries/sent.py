"""The bytes that an attempt sent, as they were kept."""

from typing import Literal
from uuid import UUID

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.domain.transmissions import Attempt
from telemetry_service.pipeline.snapshot import Snapshot

Part = Literal["payload", "body"]


def read_sent(snapshot: Snapshot, transmission_id: UUID, number: int, part: Part) -> tuple[Attempt, bytes]:
    """Return an attempt with its canonical payload before encryption, or its body as it crossed the network.

    Raises:
        NotFoundError: there is no such attempt, or its bytes were not kept.
    """
    attempts = snapshot.tx.transmissions.attempts(transmission_id)
    attempt = next((it for it in attempts if it.number == number), None)
    if attempt is None:
        raise NotFoundError
    digest = attempt.payload_sha256 if part == "payload" else attempt.body_sha256
    content = snapshot.tx.evidence.get(transmission_id, digest)
    if content is None:
        raise NotFoundError
    return attempt, content

"""The bytes that an attempt sent, as they were kept."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.domain.transmissions import Attempt
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.snapshot import Snapshot

Part = Literal["payload", "body"]


@dataclass(frozen=True, slots=True)
class Message:
    """An attempt as a document, with what a check of its transmission found just now."""

    transmission_id: str
    attempt: Attempt
    proof: Proof

    @property
    def headers(self) -> Mapping[str, str] | None:
        """The headers that the ledger names; None if a version without a ledger made the attempt."""
        return self.proof.headers_of(self.attempt) or None

    @property
    def payload_base64(self) -> str | None:
        """The payload before encryption; None if it is gone."""
        return _base64(self.proof.payload_of(self.attempt))

    @property
    def body_base64(self) -> str | None:
        """The body as it crossed the network; None if it is gone."""
        return _base64(self.proof.body_of(self.attempt))

    @property
    def findings(self) -> tuple[str, ...]:
        """What is not as it was signed."""
        return tuple(finding.sentence for finding in self.proof.findings)


def read_message(snapshot: Snapshot, transmission_id: UUID, number: int) -> Message:
    """Return an attempt with its headers and its bytes.

    Raises:
        NotFoundError: there is no such attempt.
    """
    detail = read_transmission(snapshot, transmission_id)
    attempt = next((it for it in detail.attempts if it.number == number), None)
    if attempt is None:
        raise NotFoundError
    return Message(str(transmission_id), attempt, prove(snapshot, detail))


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


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()

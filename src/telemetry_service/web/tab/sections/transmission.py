"""One transmission: what was sent, what proves it, every attempt in plain words, and what comes next."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.transmissions import Attempt, State, Transmission
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.history_query import HistoryQuery
from telemetry_service.web.tab.labels import Badge, badge
from telemetry_service.web.tab.sections.attempt_bytes import NOT_YET, bytes_texts
from telemetry_service.web.tab.sections.payload import Field, fields_of


@dataclass(frozen=True, slots=True)
class Drawer:
    """A transmission in its drawer, and what the bytes of its latest attempt show."""

    detail: TransmissionDetail
    proof: Proof | None
    """The latest attempt's; None before the first."""
    key_id: str | None
    """That of the present API key; None where there is none."""
    query: HistoryQuery
    """The part of the history that is behind the drawer."""

    @property
    def url(self) -> str:
        """The address of the drawer."""
        return paths.transmission(self.detail.transmission.transmission_id, str(self.query))

    @property
    def latest(self) -> Attempt | None:
        """The latest attempt."""
        return self.detail.attempts[-1] if self.detail.attempts else None

    @property
    def payload(self) -> dict[str, Any]:
        """The payload: as the latest attempt prepared it, else as it is stored."""
        payload: dict[str, Any] = json.loads(self.proof.payload if self.proof else self.detail.transmission.payload)
        return payload

    @property
    def fields(self) -> tuple[Field, ...]:
        """The payload field by field."""
        return fields_of(self.payload)

    @property
    def sent_title(self) -> str:
        """What the payload is: sent, perhaps sent, not sent."""
        return bytes_texts(self.latest).title if self.latest else NOT_YET

    @property
    def payload_note(self) -> str:
        """Which attempt the payload is of, and how it was sent."""
        if self.latest is None:
            return "Not sent yet. Each attempt adds its own transmitted_at."
        form = "encrypted" if self.latest.encrypted else "not encrypted, protected by TLS"
        note = bytes_texts(self.latest).note
        return f"{note} attempt {self.latest.number}, {form}. Each attempt has its own transmitted_at."

    def body_gone(self, attempt: Attempt) -> bool:
        """Whether the API key that encrypted the body has been replaced, so that it cannot be made again."""
        return attempt.encrypted and attempt.key_id != self.key_id


def transmission_section(snapshot: Snapshot, transmission_id: UUID, query: HistoryQuery) -> dict[str, Any]:
    """Return the drawer of a transmission.

    Raises:
        NotFoundError: there is no such thing.
    """
    detail = read_transmission(snapshot, transmission_id)
    proof = prove(snapshot, detail.transmission, detail.attempts[-1]) if detail.attempts else None
    key = snapshot.configuration.api_key
    return {"drawer": Drawer(detail, proof, key.key_id if key else None, query)}


def attempt_badge(attempt: Attempt) -> Badge:
    """Return the badge of an attempt in the timeline."""
    if attempt.state is State.SUCCESS and attempt.duplicate:
        return Badge("Success: already received", "check", "good")
    return badge(attempt.state)


@dataclass(frozen=True, slots=True)
class ReceiptTexts:
    """What is said of a receipt."""

    badge: Badge
    sentence: str


def receipt_texts(transmission: Transmission) -> ReceiptTexts | None:
    """Return what is said of the receipt; None before the acceptance."""
    if transmission.state is not State.SUCCESS:
        return None
    match transmission.receipt, transmission.receipt_verified:
        case _, True:
            sentence = "Signed by the License Server and verified with the pinned public key."
            return ReceiptTexts(Badge("Verified", "check", "good"), sentence)
        case _, False:
            sentence = "Accepted without a valid receipt, although this deployment pins a public key."
            return ReceiptTexts(Badge("Unverified", "warning", "warn"), sentence)
        case None, None:
            return ReceiptTexts(Badge("None", "dash", "quiet"), "The License Server sent no receipt.")
        case _:
            sentence = (
                "Kept but not verified. To verify receipts, set TELEMETRY_LICENSE_SERVER_PUBLIC_KEY in the deployment."
            )
            return ReceiptTexts(Badge("Not checked", "dash", "quiet"), sentence)


def proof_badge(proof: Proof) -> Badge:
    """Return whether the bytes that the latest attempt prepared could be made again."""
    if not proof.payload_matches or proof.body_matches is False:
        return Badge("Not verified: a digest differs from the one recorded. Contact support.", "cross", "bad")
    if proof.body_matches is None:
        sentence = (
            "Verified: the payload matches the digest recorded before sending. The body can’t be checked because"
            " its API key was replaced."
        )
        return Badge(sentence, "check", "good")
    return Badge("Verified: matches the digests recorded before sending.", "check", "good")


FILTERS = {
    "attempt_badge": attempt_badge,
    "bytes_texts": bytes_texts,
    "proof_badge": proof_badge,
    "receipt_texts": receipt_texts,
}

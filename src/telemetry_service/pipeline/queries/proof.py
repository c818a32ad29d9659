"""Proves one transmission when it is shown: compares rows and bytes with the signed lines of the ledger.

Nothing is derived again: what was sent was kept, under the digests that the ledger named before it was sent. The lines
are read from the chain, because someone may have hidden one from its index.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.transmissions import Attempt
from telemetry_service.pipeline.claims import chain_of
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.transmission_check import Finding, check_transmission, digests_of
from telemetry_service.storage.ledger import Head


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of one transmission, and what was found."""

    findings: tuple[Finding, ...]
    lines: tuple[str, ...]
    """The ledger entries about it, oldest first."""
    signed_attempts: Mapping[int, Mapping[str, Any]]
    """What the ledger says of each attempt."""
    taken_over: bool
    """Whether a version without a ledger made it, so that nothing before the upgrade is proved."""
    prepared: bytes | None
    """The stored payload, whether it is right or not; None if it is gone."""
    contents: Mapping[str, bytes] = field(repr=False)
    """The bytes that are kept, by their digests."""
    places: tuple[int, ...]
    """The numbers of these entries in the ledger."""
    ledger_end: int | None
    """The number of its last entry."""
    receipt_key: str | None
    """The fingerprint of the pinned key that the receipt was verified with just now; None if there is none."""

    @property
    def holds(self) -> bool:
        """Whether everything that was checked is as it was signed."""
        return not self.findings

    @property
    def entries(self) -> int:
        """The number of ledger entries about it."""
        return len(self.lines)

    def place_of(self, attempt: Attempt | None) -> int | None:
        """Return the number of the entry that names the bytes: of an attempt, or of the payload if there was none."""
        said = self.signed_attempts.get(attempt.number) if attempt else None
        return said["seq"] if said else self.places[0] if self.places else None

    def headers_of(self, attempt: Attempt) -> dict[str, str]:
        """Return the headers of the protocol that an attempt was made with; empty if they were not kept."""
        said = self.signed_attempts.get(attempt.number)
        return {} if said is None else message_of(said, self.body_of(attempt) or b"").headers()

    def payload_of(self, attempt: Attempt) -> bytes | None:
        """Return the canonical payload that an attempt sent, before encryption."""
        return self.contents.get(attempt.payload_sha256)

    def body_of(self, attempt: Attempt) -> bytes | None:
        """Return the bytes of an attempt as they crossed the network."""
        return self.contents.get(attempt.body_sha256)


def prove(snapshot: Snapshot, detail: TransmissionDetail) -> Proof:
    """Check a transmission now."""
    tx, transmission = snapshot.tx, detail.transmission
    keys = snapshot.runtime.ledger_keys(tx)
    chain = chain_of(tx, transmission.transmission_id, keys, snapshot.verification, _seen_by_the_sweep(snapshot))
    contents = detail.contents
    if contents is None:
        contents = tx.evidence.of(transmission.transmission_id, digests_of(transmission, detail.attempts))
    checked = check_transmission(contents, transmission, detail.attempts, keys, snapshot.now, chain)
    return Proof(
        findings=checked.findings,
        lines=tuple(line.line for line in checked.lines),
        signed_attempts=checked.signed_attempts,
        taken_over=any(line.kind == Kind.MIGRATED for line in checked.lines),
        prepared=checked.contents.get(transmission.prepared_sha256),
        contents=checked.contents,
        places=tuple(line.seq for line in checked.lines),
        ledger_end=chain.head.seq if chain.head else None,
        receipt_key=_receipt_key(snapshot, detail),
    )


def _receipt_key(snapshot: Snapshot, detail: TransmissionDetail) -> str | None:
    pinned, transmission = snapshot.runtime.receipt_keys, detail.transmission
    if pinned is None or not detail.receipt_verified or transmission.receipt is None:
        return None
    payloads = {attempt.payload_sha256 for attempt in detail.attempts}
    return pinned.verified_with(transmission.receipt, transmission.transmission_id, payloads)


def _seen_by_the_sweep(snapshot: Snapshot) -> Iterator[Head]:
    """Yield the last line that the sweep verified, and those that it has missed since: so an end that is cut off shows.

    Its verdict is sealed. Someone can put an older one in its place, but none that names other lines.
    """
    verified = snapshot.verification
    if verified is not None and verified.seq:
        yield Head(verified.seq, verified.sha256)
    for place in () if verified is None else verified.rolled_back:
        seq, _, sha256 = place.partition(":")
        yield Head(int(seq), sha256)


def message_of(said: Mapping[str, Any], body: bytes) -> SealedMessage:
    """Return the message of an attempt from what the ledger says of it, and its body."""
    return SealedMessage(
        transmission_id=UUID(said["transmission_id"]),
        timestamp=said["timestamp"],
        key_id=said["key_id"],
        signature=said["signature"],
        content_type=said["content_type"],
        body=body,
        ledger=said["ledger"],
    )

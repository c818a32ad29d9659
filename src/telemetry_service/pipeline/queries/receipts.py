"""Verifies the receipts of accepted transmissions with the pinned keys, each time they are shown."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from telemetry_service.domain.transmissions import Attempt, State, Transmission
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.receipt import ReceiptKeys


def verified_receipts(snapshot: Snapshot, transmissions: Sequence[Transmission]) -> Mapping[UUID, bool]:
    """Return whether each accepted transmission has a valid receipt; empty where no key is pinned."""
    pinned = snapshot.runtime.receipt_keys
    accepted = [it for it in transmissions if it.state is State.SUCCESS]
    if pinned is None or not accepted:
        return {}
    digests = snapshot.tx.transmissions.payload_digests([it.transmission_id for it in accepted if it.receipt])
    return {it.transmission_id: _valid(pinned, it, digests.get(it.transmission_id, ())) for it in accepted}


def verified_receipt(snapshot: Snapshot, transmission: Transmission, attempts: Sequence[Attempt]) -> bool | None:
    """Return the same for one whose attempts are known; None where no key is pinned, or it is not accepted."""
    pinned = snapshot.runtime.receipt_keys
    if pinned is None or transmission.state is not State.SUCCESS:
        return None
    return _valid(pinned, transmission, {attempt.payload_sha256 for attempt in attempts})


def _valid(pinned: ReceiptKeys, transmission: Transmission, digests: Collection[str]) -> bool:
    receipt = transmission.receipt
    return receipt is not None and pinned.read(receipt, transmission.transmission_id, digests) is not None

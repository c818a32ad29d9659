"""Verifies the receipts of accepted transmissions with the pinned keys, each time they are shown."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from telemetry_service.domain.transmissions import Attempt, State, Transmission
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.transmission_check import has_valid_receipt


def verified_receipts(snapshot: Snapshot, transmissions: Sequence[Transmission]) -> Mapping[UUID, bool]:
    """Return whether each accepted transmission has a valid receipt; empty where no key is pinned."""
    pinned = snapshot.runtime.receipt_keys
    accepted = [it for it in transmissions if it.state is State.SUCCESS]
    if pinned is None or not accepted:
        return {}
    digests = snapshot.tx.transmissions.payload_digests([it.transmission_id for it in accepted if it.receipt])
    return {it.transmission_id: has_valid_receipt(pinned, it, digests.get(it.transmission_id, ())) for it in accepted}


def verified_receipt(snapshot: Snapshot, transmission: Transmission, attempts: Sequence[Attempt]) -> bool | None:
    """Return the same for one whose attempts are known; None where no key is pinned, or it is not accepted."""
    pinned = snapshot.runtime.receipt_keys
    if pinned is None or transmission.state is not State.SUCCESS:
        return None
    return has_valid_receipt(pinned, transmission, {attempt.payload_sha256 for attempt in attempts})

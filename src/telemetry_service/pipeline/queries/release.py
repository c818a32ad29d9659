"""What a person decides on: which payload waits, and what its schema adds to what was sent before."""

from telemetry_service.domain.errors import PayloadChangedError
from telemetry_service.domain.payload_schemas.difference import Change
from telemetry_service.domain.transmissions import SENDABLE_STATES, State, nothing_can_have_arrived
from telemetry_service.pipeline.announcement import changes_since_settled
from telemetry_service.pipeline.prepared import prepared_of
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.snapshot import Snapshot


def read_changes(snapshot: Snapshot, detail: TransmissionDetail) -> tuple[Change, ...]:
    """Return field by field what is new in a payload that waits for its release."""
    if detail.transmission.state is not State.AWAITING_RELEASE:
        return ()
    try:
        prepared = prepared_of(snapshot.runtime, snapshot.tx, detail.transmission)
    except PayloadChangedError:
        return ()  # The proof next to it says so.
    return changes_since_settled(snapshot.runtime, snapshot.tx, prepared.schema_sha256)


def can_withdraw(snapshot: Snapshot, detail: TransmissionDetail) -> bool:
    """Whether a transmission may be withdrawn: it waits, and nothing of it can have arrived."""
    transmission = detail.transmission
    waits = transmission.state is State.AWAITING_RELEASE or transmission.state in SENDABLE_STATES
    return waits and not transmission.in_flight(snapshot.now) and nothing_can_have_arrived(detail.attempts)

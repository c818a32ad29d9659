"""What a person decides on: which payload waits, and what its schema adds to what was sent before."""

from collections.abc import Iterable

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.payload_schemas.difference import Change
from telemetry_service.domain.transmissions import (
    NEVER_SENT_AS_IT_IS,
    SENDABLE_STATES,
    Attempt,
    State,
    Transmission,
    nothing_can_have_arrived,
)
from telemetry_service.pipeline.announcement import changes_since_settled
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.prepared import readable_of, says_accepted
from telemetry_service.pipeline.queries.withdrawal import is_in_conflict
from telemetry_service.pipeline.snapshot import Snapshot


def read_changes(snapshot: Snapshot, transmission: Transmission) -> tuple[Change, ...]:
    """Return field by field what is new in a payload that waits for its release."""
    if transmission.state is not State.AWAITING_RELEASE:
        return ()
    prepared = readable_of(snapshot.runtime, snapshot.tx, transmission)
    if prepared is None:
        return ()  # The proof next to it says so.
    return changes_since_settled(snapshot.runtime, snapshot.tx, prepared.schema_sha256)


def can_release(snapshot: Snapshot, transmission: Transmission) -> bool:
    """Whether a transmission that someone has put into another state waits for its release by its entries."""
    if transmission.state not in SENDABLE_STATES or transmission.cause is not Cause.PAYLOAD_CHANGED:
        return False
    prepared = readable_of(snapshot.runtime, snapshot.tx, transmission)
    return prepared is not None and prepared.must_be_released


def can_withdraw(snapshot: Snapshot, transmission: Transmission, attempts: Iterable[Attempt]) -> bool:
    """Whether a transmission may be withdrawn: nothing of it can have arrived, or it can never be sent.

    What was accepted before cannot, whatever someone has made of its row.
    """
    waits = transmission.state is State.AWAITING_RELEASE or transmission.state in SENDABLE_STATES
    if not waits or transmission.in_flight(snapshot.now) or was_accepted(snapshot, transmission):
        return False
    ends = transmission.cause in NEVER_SENT_AS_IT_IS or is_in_conflict(snapshot, transmission)
    return ends or nothing_can_have_arrived(attempts)


def was_accepted(snapshot: Snapshot, transmission: Transmission) -> bool:
    """Whether a transmission that is not sent because someone has changed it was accepted before, by its entries."""
    if transmission.state is State.SUCCESS or transmission.cause not in NEVER_SENT_AS_IT_IS:
        return False
    return says_accepted(signed_claims(snapshot.runtime, snapshot.tx, transmission.transmission_id))

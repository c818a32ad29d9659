"""*Accept without a receipt*: an administrator's decision, where a receipt is required and none comes."""

from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import AttemptUnderWayError, ReceiptNotMissingError
from telemetry_service.domain.ledger import Kind, Salted, Value
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.release import check_reason, locked
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.prepared import accepted_without_receipt, says_accepted
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_state import signed_state
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.storage.database import Transaction


def accept_without_receipt(runtime: Runtime, transmission_id: UUID, actor: Actor, reason: str) -> TransmissionDetail:
    """Count a transmission as accepted that waits for a valid receipt, and return it. Safe to press twice.

    Raises:
        ReasonRefusedError: the reason is missing or cannot be kept.
        NotFoundError: there is no such transmission.
        WithdrawnError: it was withdrawn.
        AttemptUnderWayError: it is being sent right now.
        ReceiptNotMissingError: it does not wait for a receipt.
    """
    check_reason(reason)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        transmission = locked(tx, transmission_id)
        if transmission.in_flight(now):
            raise AttemptUnderWayError
        waits = _waits(runtime, tx, transmission)
        if waits:
            tx.transmissions.accept(transmission_id, {"accepted_at": now})
            tx.extension_codes.accepted(transmission_id, now)
            said: dict[str, Value] = {"reason": Salted(reason), "state": State.SUCCESS.value, "receipt": None}
            tx.ledger.note(now, actor, Kind.ACCEPTED_WITHOUT_RECEIPT, said, transmission_id)
        elif not accepted_without_receipt(runtime, tx, transmission_id):
            raise ReceiptNotMissingError
    if waits:
        log_event(Event.ACCEPTED_WITHOUT_RECEIPT, transmission_id=transmission_id, actor=actor.label)
    with open_snapshot(runtime) as snapshot:
        return read_transmission(snapshot, transmission_id)


def _waits(runtime: Runtime, tx: Transaction, transmission: Transmission) -> bool:
    """Whether it waits for a receipt by its row and its entries: someone may have changed the row."""
    signed = signed_claims(runtime, tx, transmission.transmission_id)
    said, waiting = signed_state(signed), (State.HELD, Cause.RECEIPT_MISSING)
    if said is None or says_accepted(signed):
        return False
    return (transmission.state, transmission.cause) == (said.state, said.cause) == waiting

"""Shows a transmission as accepted again whose row someone has changed: the ledger says so, and nothing is sent.

Only a person's act does this. The verification has found the change before, and its entry and log line stay.
"""

from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.timestamps import parse_moment
from telemetry_service.domain.transmissions import FINAL_STATES
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.prepared import acceptances
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_state import signed_state
from telemetry_service.storage.database import Transaction


def put_back_accepted(runtime: Runtime, tx: Transaction, transmission_id: UUID, actor: Actor) -> bool:
    """Write what was signed into the row of a transmission that was accepted; False if its row says so, or none was."""
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None or transmission.state in FINAL_STATES:
        return False
    signed = signed_claims(runtime, tx, transmission_id)
    first = next(acceptances(signed), None)
    if first is None:
        return False
    state = signed_state(signed)
    code = transmission.response_code if state is None else state.response_code
    at = parse_moment(first.get("accepted_at") or first["at"])
    tx.transmissions.accept(transmission_id, {"accepted_at": at, "receipt": first["receipt"], "response_code": code})
    tx.ledger.note(runtime.clock.now(), actor, Kind.RETRIED, {"accepted_before": True}, transmission_id)
    return True

"""What a withdrawal does: whether it is possible, and whether the extension codes are sent with the next payload."""

from dataclasses import dataclass

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import PayloadContradictionError, PayloadSchemaUnknownError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import Transmission
from telemetry_service.pipeline.claims import all_claims
from telemetry_service.pipeline.prepared import can_have_arrived, readable_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_state import signed_state
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.claim import completed_at
from telemetry_service.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A transmission that may be withdrawn."""

    may_have_arrived: bool
    """Whether the License Server may have it although it can never be sent again."""
    returns_codes: bool
    """Whether its extension codes are included in the next payload; otherwise they count as sent."""


def withdrawal_of(snapshot: Snapshot, transmission: Transmission) -> Withdrawal | None:
    """Return what a withdrawal would do; None if the License Server may have it, so that it is sent until it is known.

    What can never be sent again can always be withdrawn: nothing else would end its waiting. So can a payload whose ID
    the License Server knows for another one.
    """
    runtime, tx = snapshot.runtime, snapshot.tx
    arrived = can_have_arrived(runtime, tx, transmission.transmission_id)
    if arrived and _can_be_sent(runtime, tx, transmission) and not is_in_conflict(snapshot, transmission):
        return None
    return Withdrawal(arrived, returns_codes=not arrived and not _codes_may_have_left(runtime, tx, transmission))


def is_in_conflict(snapshot: Snapshot, transmission: Transmission) -> bool:
    """Whether the License Server has another payload with this ID, by the entry about its latest response."""
    if transmission.cause is not Cause.ID_CONFLICT:
        return False
    signed = signed_state(all_claims(snapshot.runtime, snapshot.tx, transmission.transmission_id))
    return signed is not None and signed.cause is Cause.ID_CONFLICT


def _can_be_sent(runtime: Runtime, tx: Transaction, transmission: Transmission) -> bool:
    prepared = readable_of(runtime, tx, transmission)
    if prepared is None:
        return False
    try:
        completed_at(runtime, prepared, runtime.clock.now())
    except PayloadContradictionError:
        return False
    except PayloadSchemaUnknownError:
        return True  # A replica of the newer version sends it.
    return True


def _codes_may_have_left(runtime: Runtime, tx: Transaction, transmission: Transmission) -> bool:
    """Whether something was sent after the backup that it waited in: perhaps a payload with the same codes."""
    signed = all_claims(runtime, tx, transmission.transmission_id)
    held = [said for said in signed if said["kind"] == Kind.AWAITING_RELEASE]
    return any(said.get("open_period") == OpenPeriod.SENT for said in held)

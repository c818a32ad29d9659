"""Releases the payloads that no longer have to wait: their notice is over, or their schema was approved."""

from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import SCHEDULE, SERVICE
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.release import Announced, Release, ReleasedBy, WaitsFor, notice_of
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.announcement import announcement_of, notice_is_over
from telemetry_service.pipeline.changed_rows import are_as_stored
from telemetry_service.pipeline.prepared import readable_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def release_due(runtime: Runtime) -> None:
    """Release them, unless telemetry is off, or a person has to release each payload."""
    now = runtime.clock.now()
    if runtime.deployment.release.release is Release.MANUAL:
        return
    with runtime.database.read() as tx:
        over = tx.transmissions.notice_over(now)
        if over and not are_as_stored(runtime, tx):
            return  # Someone may have changed when something was announced.
    if not over:
        return
    with runtime.database.write() as tx:
        released = [
            each for each in over if runtime.enabled(tx.configuration.get()) and _released(runtime, tx, each, now)
        ]
    for transmission_id in released:
        log_event(Event.PAYLOAD_RELEASED, transmission_id=transmission_id, actor=SCHEDULE.label)


def _released(runtime: Runtime, tx: Transaction, transmission_id: UUID, now: datetime) -> bool:
    try:
        return _release(runtime, tx, transmission_id, now)
    except RowUnreadableError:
        return False  # Someone has written into its row: it keeps waiting, and blocks no other.


def _release(runtime: Runtime, tx: Transaction, transmission_id: UUID, now: datetime) -> bool:
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None or transmission.state is not State.AWAITING_RELEASE:
        return False  # Another replica was faster.
    prepared = readable_of(runtime, tx, transmission)
    if prepared is None or prepared.ended:
        _refuse(tx, transmission, now)
        return False
    announced = announcement_of(runtime, tx, prepared.schema_sha256)
    over = announced is not None and notice_is_over(runtime, announced, now)
    if not _may_be_released(prepared.waits, announced, over=over):
        until = None if announced is None else notice_of(runtime.deployment.release, announced)
        tx.transmissions.wait_until(transmission_id, until if prepared.waits is WaitsFor.NEW_FIELD else None)
        return False
    tx.transmissions.let_go(transmission_id, now)
    if prepared.waits is not None:  # Otherwise its entries say already that it may leave.
        tx.announced_schemas.settle(prepared.schema_sha256, now)
        by = ReleasedBy.NOTICE_OVER if over else ReleasedBy.FIELD_APPROVED
        said = {"prepared_sha256": transmission.prepared_sha256, "schema_sha256": prepared.schema_sha256}
        tx.ledger.note(now, SCHEDULE, Kind.RELEASED, {**said, "because": by.value}, transmission_id)
    return True


def _may_be_released(waits: WaitsFor | None, announced: Announced | None, *, over: bool) -> bool:
    """Whether what a payload waits for, by its entries, is over. The time in its row only says when to look."""
    if waits is WaitsFor.NEW_FIELD:
        return over or (announced is not None and announced.settled_at is not None)
    return waits is None


def _refuse(tx: Transaction, transmission: Transmission, now: datetime) -> None:
    """Let a person decide on what is not as it was signed; it can be released once that is put right, or withdrawn."""
    cause = Cause.PAYLOAD_CHANGED
    tx.transmissions.await_release(transmission.transmission_id, cause)
    if transmission.cause is not cause:
        tx.ledger.note(now, SERVICE, Kind.VERIFY_FAILED, {"cause": cause.value}, transmission.transmission_id)


def hold_for_a_person(runtime: Runtime, tx: Transaction) -> None:
    """Let no notice release the waiting payloads, now that the deployment wants a person to."""
    if not runtime.deployment.release.notice_ends:
        tx.transmissions.end_all_notices()

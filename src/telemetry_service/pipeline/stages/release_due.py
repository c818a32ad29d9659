"""Releases the payloads that no longer have to wait: their notice is over, or their schema was approved."""

from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import SCHEDULE
from telemetry_service.domain.errors import PayloadChangedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.release import Release, ReleasedBy
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.announcement import notice_is_over
from telemetry_service.pipeline.prepared import prepared_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def release_due(runtime: Runtime) -> None:
    """Release them, unless telemetry is off, or a person has to release each payload."""
    now = runtime.clock.now()
    if runtime.deployment.release.release is Release.MANUAL:
        return
    with runtime.database.read() as tx:
        over = tx.transmissions.notice_over(now)
    if not over:
        return
    with runtime.database.write() as tx:
        released = [
            each for each in over if runtime.enabled(tx.configuration.get()) and _release(runtime, tx, each, now)
        ]
    for transmission_id in released:
        log_event(Event.PAYLOAD_RELEASED, transmission_id=transmission_id, actor=SCHEDULE.label)


def _release(runtime: Runtime, tx: Transaction, transmission_id: UUID, now: datetime) -> bool:
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None or not tx.transmissions.let_go(transmission_id, now):
        return False  # Another replica was faster.
    try:
        schema_sha256 = prepared_of(runtime, tx, transmission).schema_sha256
    except PayloadChangedError:
        return True  # It is refused when it is claimed.
    announced = tx.announced_schemas.get(schema_sha256)
    over = announced is not None and notice_is_over(runtime, announced, now)
    tx.announced_schemas.settle(schema_sha256, now)
    by = ReleasedBy.NOTICE_OVER if over else ReleasedBy.FIELD_APPROVED
    said = {"because": by.value, "prepared_sha256": transmission.prepared_sha256, "schema_sha256": schema_sha256}
    tx.ledger.note(now, SCHEDULE, Kind.RELEASED, said, transmission_id)
    return True


def hold_for_a_person(runtime: Runtime, tx: Transaction) -> None:
    """Let no notice release the waiting payloads, now that the deployment wants a person to."""
    if not runtime.deployment.release.notice_ends:
        tx.transmissions.end_all_notices()

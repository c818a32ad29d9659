"""*Send Now*: closes the period and sends it at once. Safe to click twice."""

import time
from dataclasses import replace
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import TelemetryDisabledError
from telemetry_service.domain.idempotency_key import request_key_of
from telemetry_service.domain.obstacles import bars_everything, bars_payloads
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from telemetry_service.pipeline.stages.deliver import deliver
from telemetry_service.pipeline.stages.prepare import Closing, close_and_prepare
from telemetry_service.pipeline.stages.source.reading import read_up_to_now

_ANOTHER_ATTEMPT_SECONDS = 30
"""How long the creator of a transmission waits for an attempt that someone else makes. An exchange ends earlier."""

_PAUSE_SECONDS = 0.1


def send_now(
    runtime: Runtime, actor: Actor, idempotency_key: str | None, shown: frozenset[str] | None = None
) -> TransmissionDetail:
    """Send the open period and return its transmission, after the attempt.

    ``shown`` are the versions of the preview that the caller has seen; None accepts any. An ``idempotency_key`` that
    the actor used before returns the transmission it created then, which says whether that call is still sending it.
    If a call with the same key, or the schedule, makes the attempt, this call waits for it and returns the same result.
    After an error the period is still open.

    Raises:
        PreviewStaleError: the payload is not one of ``shown``.
        TelemetryDisabledError: telemetry is off.
        NotConfiguredError: the API key, the License Server or the customer ID is missing.
        KeyUnusableError: the stored API key cannot be opened.
        PayloadContradictionError: the period's numbers contradict each other, so the payload is not built.
        NotVerifiedYetError: the ledger has to be verified first.
    """
    read_up_to_now(runtime)
    request_key = request_key_of(actor, idempotency_key) if idempotency_key else None
    transmission_id, replayed = _prepare(runtime, actor, request_key, shown)
    runtime.failpoint(Failpoint.PREPARED_COMMITTED)
    with runtime.database.read() as tx:
        before = tx.transmissions.get(transmission_id)
    if before is not None and before.state is State.PENDING:
        deliver(runtime, transmission_id)
    detail = _read(runtime, transmission_id)
    if replayed:
        return replace(detail, replayed=True, key_in_use=detail.transmission.in_flight(runtime.clock.now()))
    return _after_attempt(runtime, detail)


def _after_attempt(runtime: Runtime, detail: TransmissionDetail) -> TransmissionDetail:
    """Return the transmission once no one is sending it."""
    until = time.monotonic() + _ANOTHER_ATTEMPT_SECONDS
    while detail.transmission.in_flight(runtime.clock.now()) and time.monotonic() < until:
        if runtime.stopping.wait(_PAUSE_SECONDS):
            break
        detail = _read(runtime, detail.transmission.transmission_id)
    return detail


def _read(runtime: Runtime, transmission_id: UUID) -> TransmissionDetail:
    with open_snapshot(runtime) as snapshot:
        return read_transmission(snapshot, transmission_id)


def _prepare(
    runtime: Runtime, actor: Actor, request_key: str | None, shown: frozenset[str] | None
) -> tuple[UUID, bool]:
    """Return the transmission, and whether an earlier call with the same key has created it."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        # Lock first: telemetry may have been turned off while this waited for the lock, and what was counted while it
        # was off is never sent.
        period = tx.periods.lock_open()
        snapshot = Snapshot(runtime, tx, now, decides=True)
        off = bars_everything(snapshot.setup)
        if off is not None:
            raise off.refusal()
        if not period.reportable:
            raise TelemetryDisabledError
        known = tx.transmissions.by_request_key(request_key) if request_key else None
        if known is not None:
            return known.transmission_id, True
        bar = bars_payloads(snapshot.setup)
        if bar is not None:
            raise bar.refusal()
        closing = Closing(actor, Trigger.MANUAL, ClosedBy.SEND_NOW, AttemptTrigger.SEND_NOW, now, request_key, shown)
        return close_and_prepare(snapshot, closing), False

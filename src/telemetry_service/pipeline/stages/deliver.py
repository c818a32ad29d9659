"""Delivers transmissions: claims, sends, records the outcome. No transaction is open while it sends.

A payload may be delivered more than once, always under one ID, so the License Server counts it exactly once.
"""

import time
from uuid import UUID

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import (
    PayloadChangedError,
    PayloadContradictionError,
    PayloadSchemaUnknownError,
    RowUnreadableError,
    TelemetryError,
)
from telemetry_service.domain.outcome import Failure, Outcome, Retrying
from telemetry_service.domain.transmissions import AttemptTrigger, cause_of
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event, log_exception
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.claim import claim, refuse_payload
from telemetry_service.pipeline.stages.end_overlap import end_overlap_if_due
from telemetry_service.pipeline.stages.follow_connection import follow_connection
from telemetry_service.pipeline.stages.log_lines import log_attempt_finished, log_attempt_started
from telemetry_service.pipeline.stages.record_outcome import check_receipt, record_outcome
from telemetry_service.pipeline.stages.release_due import release_due

ROUND = 100
"""The most attempts in one round, so that a long outage is not followed by a flood of requests."""


def deliver_due(runtime: Runtime) -> int:
    """Send what is due, oldest first; return how many attempts were made.

    A transmission that fails never blocks the ones behind it. The round ends early only if there is no connection at
    all, or the License Server asks to wait: the others would fail too. They stay due, and the next waking starts with
    them, because the failed one waits for its back-off.
    """
    end_overlap_if_due(runtime)
    release_due(runtime)
    if runtime.deployment.in_bundles:
        return 0
    follow_connection(runtime)
    attempts = 0
    due, early = _due(runtime)
    for transmission_id in due:
        outcome = _deliver_whatever_happens(runtime, transmission_id)
        attempts += outcome is not None
        if outcome is not None and transmission_id in early:
            runtime.attempted_early[transmission_id] = time.monotonic()
        if _found_no_connection(outcome) or _is_busy(outcome) or runtime.stopping.is_set():
            break
    return attempts


def _due(runtime: Runtime) -> tuple[list[UUID], frozenset[UUID]]:
    """Return what is due, oldest first, and which of it is due only because the clock was set back.

    The latter is attempted at most once per shortest back-off. Otherwise two replicas whose clocks are hours apart
    would each consider the other's plan void, and send without a pause.
    """
    now, moment = runtime.clock.now(), time.monotonic()
    with runtime.database.read() as tx:
        due = tx.transmissions.due(now, runtime.retry_policy.longest, ROUND)
        early = tx.transmissions.planned_later(due, now)
    attempted, pause = runtime.attempted_early, runtime.retry_policy.shortest.total_seconds()
    for known, at in list(attempted.items()):  # A copy: *Retry* delivers in another thread meanwhile.
        if moment - at >= pause:
            attempted.pop(known, None)
    return [sent for sent in due if sent not in early or sent not in attempted], early


def deliver(runtime: Runtime, transmission_id: UUID, trigger: AttemptTrigger | None = None) -> Outcome | None:
    """Make one attempt; None if another process has the claim, or nothing may be sent now.

    ``trigger`` is what started it. None means the planned attempt, which is made only if the transmission is due: of
    several replicas that saw it due, only one makes it.
    """
    try:
        claimed = claim(runtime, transmission_id, trigger)
    except (PayloadChangedError, PayloadContradictionError) as error:
        return refuse_payload(runtime, transmission_id, error)
    except (PayloadSchemaUnknownError, RowUnreadableError):
        # During a rolling update, a replica of the newer version sends it. What cannot be read blocks no other.
        return None
    if claimed is None or runtime.client is None:
        return None
    runtime.failpoint(Failpoint.CLAIMED)
    if not claimed.transmission.in_flight(runtime.clock.now()):
        return None  # This process was stopped for longer than its lease: another one may be sending by now.
    log_attempt_started(claimed)
    began = time.monotonic()
    outcome = runtime.client.transmit(claimed.sealed.message, claimed.known_bodies, runtime.clock.now())
    duration_ms = int((time.monotonic() - began) * 1000)
    runtime.failpoint(Failpoint.SENT)
    outcome = check_receipt(runtime, claimed, outcome)
    if record_outcome(runtime, claimed, outcome, duration_ms):
        log_attempt_finished(claimed, outcome, duration_ms)
    else:
        log_event(Event.RESPONSE_IGNORED, transmission_id=transmission_id, number=claimed.number)
    runtime.failpoint(Failpoint.OUTCOME_COMMITTED)
    if claimed.old_key_follows and cause_of(outcome) is Cause.API_KEY_NOT_ACCEPTED and not runtime.stopping.is_set():
        # It is planned: if this process ends now, or another one is faster, the old key is still tried once.
        return deliver(runtime, transmission_id) or outcome
    return outcome


_NOT_TRIED = frozenset({Cause.PAYLOAD_INVALID, Cause.PAYLOAD_CHANGED})
"""Ends an attempt before anything is tried."""


def _found_no_connection(outcome: Outcome | None) -> bool:
    """Whether an attempt failed before any response, so that another one would fail too."""
    return isinstance(outcome, Failure) and outcome.response_code is None and outcome.cause not in _NOT_TRIED


def _is_busy(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Retrying) and outcome.cause is Cause.BUSY


def _deliver_whatever_happens(runtime: Runtime, transmission_id: UUID) -> Outcome | None:
    """Deliver. A bug must not block the transmissions behind; a database problem stops them all."""
    try:
        return deliver(runtime, transmission_id)
    except TelemetryError:
        raise
    except Exception as error:  # noqa: BLE001 - the lease expires, and the attempt counts as interrupted
        log_exception(error, "delivery")
        return None

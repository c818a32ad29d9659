"""What the stages and the connection test log: each attempt, test and tick, with its cause."""

from datetime import datetime

from telemetry_service.domain.causes import EXPLANATIONS
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.connection_check import ConnectionCheck
from telemetry_service.domain.outcome import Accepted, Outcome
from telemetry_service.domain.transmissions import state_after
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.stages.claim import Claimed

_REGULAR_RESULTS = frozenset({"prepared", "disabled"})
"""The results of a tick that went as planned."""


def log_attempt_started(claimed: Claimed) -> None:
    """Log that a payload is being sent."""
    log_event(
        Event.ATTEMPT_STARTED,
        transmission_id=claimed.transmission.transmission_id,
        number=claimed.number,
        trigger=claimed.trigger,
    )


def log_attempt_finished(claimed: Claimed, outcome: Outcome, duration_ms: int) -> None:
    """Log the outcome of an attempt, and what in an acceptance was ignored."""
    transmission_id = claimed.transmission.transmission_id
    if not isinstance(outcome, Accepted):
        log_event(
            Event.ATTEMPT_FAILED,
            transmission_id=transmission_id,
            number=claimed.number,
            trigger=claimed.trigger,
            state=state_after(outcome),
            cause=outcome.cause,
            sentence=EXPLANATIONS[outcome.cause].sentence,
            response_code=outcome.response_code,
            duration_ms=duration_ms,
        )
        return
    log_event(
        Event.ATTEMPT_ACCEPTED,
        transmission_id=transmission_id,
        number=claimed.number,
        trigger=claimed.trigger,
        state=state_after(outcome),
        response_code=outcome.response_code,
        duplicate=outcome.duplicate,
        receipt_verified=outcome.receipt_verified,
        duration_ms=duration_ms,
    )
    if outcome.receipt_verified is False:
        log_event(Event.RECEIPT_NOT_VERIFIED, transmission_id=transmission_id, number=claimed.number)
    for note in outcome.notes:
        log_event(Event.RESPONSE_PARTLY_IGNORED, transmission_id=transmission_id, note=note)


def log_connection_test(result: ConnectionCheck, *, stored_key: bool) -> None:
    """Log the result of a connection test, and at which step it failed."""
    key = "saved" if stored_key else "unsaved"
    duration_ms = sum(step.duration_ms or 0 for step in result.steps)
    if result.cause is None:
        log_event(Event.CONNECTION_TESTED, key=key, response_code=result.response_code, duration_ms=duration_ms)
        return
    failed = [step.name for step in result.steps if step.ok is False]
    log_event(
        Event.CONNECTION_TEST_FAILED,
        key=key,
        step=failed[0] if failed else None,
        cause=result.cause,
        sentence=EXPLANATIONS[result.cause].sentence,
        response_code=result.response_code,
        duration_ms=duration_ms,
    )


def log_tick(result: str, due: datetime) -> None:
    """Log that the schedule ran, and its result."""
    event = Event.TICK_RAN if result in _REGULAR_RESULTS else Event.TICK_WITHOUT_PAYLOAD
    log_event(event, result=result, due=rfc3339(due))

"""Claims a transmission for one attempt: takes a lease with a conditional update, and writes the attempt's row.

The digests of what will be sent are on disk before anything is sent, so that a receipt can be checked against them even
after a crash. After a crash, the transmission is released when the lease expires.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, PayloadContradictionError
from telemetry_service.domain.outcome import Outcome, Rejected
from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.transmissions import Attempt, AttemptTrigger, State, Transmission, customer_id_to_send
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.customer import customer_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.follow_connection import connection_digest
from telemetry_service.pipeline.stages.prepare import complete
from telemetry_service.sealing.identity import key_id, pseudonym
from telemetry_service.sealing.sealer import Sealed, seal


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased transmission with its new attempt."""

    transmission: Transmission
    token: UUID
    number: int
    sealed: Sealed
    known_bodies: frozenset[str]
    known_payloads: frozenset[str]
    api_key_id: str
    trigger: AttemptTrigger


@dataclass(frozen=True, slots=True)
class _Customer:
    """What decides how the next attempt names the customer."""

    api_key: str = field(repr=False)
    customer_id: str | None
    """The customer ID when the period was closed; None if it is not known."""
    anonymize: bool


def claim(runtime: Runtime, transmission_id: UUID, trigger: AttemptTrigger | None) -> Claimed | None:
    """Take the lease and write the attempt, with the digests of what it will send, in one transaction.

    None if another process has the claim, or nothing may be sent now.

    Raises:
        PayloadContradictionError: the stored payload is no longer valid; nothing is claimed.
    """
    now = runtime.clock.now()
    token = time_ordered_id(now)
    with runtime.database.write() as tx:
        configuration = tx.configuration.get()
        if not runtime.enabled(configuration) or not runtime.deployment.license_server_configured:
            return None
        try:
            api_key = open_api_key(runtime, tx.configuration.sealed_api_key(), transmission_id)
        except (NotConfiguredError, KeyUnusableError):
            return None  # The health says why; the transmission stays due.
        due_within = runtime.retry_policy.longest if trigger is None else None
        if not tx.transmissions.claim(transmission_id, token, now, due_within):
            return None
        transmission = tx.transmissions.get(transmission_id)
        assert transmission is not None  # noqa: S101 - it was claimed a statement ago
        earlier = tx.transmissions.attempts(transmission_id)
        prepared = _prepared(transmission)
        customer_id = customer_of(runtime, tx, transmission_id, prepared.customer_id)
        customer = _Customer(api_key, customer_id, configuration.values.anonymize_pii)
        payload = _payload(prepared, earlier, customer, now)
        sealed = seal(
            payload, transmission_id, int(now.timestamp()), api_key, encrypt=configuration.values.encrypt_payload
        )
        planned_by = trigger or tx.transmissions.next_trigger(transmission_id)
        attempt = _attempt(transmission, payload, sealed, planned_by, now)
        tx.transmissions.begin_attempt(transmission_id, attempt, connection_digest(runtime))
    known = (*earlier, attempt)
    return Claimed(
        transmission=transmission,
        token=token,
        number=attempt.number,
        sealed=sealed,
        known_bodies=frozenset(a.body_sha256 for a in known),
        known_payloads=frozenset(a.payload_sha256 for a in known),
        api_key_id=attempt.key_id,
        trigger=attempt.trigger,
    )


def reject_invalid(runtime: Runtime, transmission_id: UUID) -> Outcome:
    """Reject a transmission whose stored payload is no longer valid: it stays visible and does not block others."""
    now = runtime.clock.now()
    token = time_ordered_id(now)
    outcome = Rejected(Cause.PAYLOAD_INVALID)
    with runtime.database.write() as tx:
        if tx.transmissions.claim(transmission_id, token, now):
            columns = {"state": State.REJECTED, "cause": outcome.cause, "next_attempt_at": None}
            tx.transmissions.release(transmission_id, token, columns)
    log_event(Event.PAYLOAD_INVALID, transmission_id=transmission_id, cause=outcome.cause)
    return outcome


def _prepared(transmission: Transmission) -> PreparedPayload:
    try:
        return PreparedPayload.model_validate_json(transmission.payload)
    except ValidationError:
        raise PayloadContradictionError from None


def _payload(
    prepared: PreparedPayload, earlier: Sequence[Attempt], customer: _Customer, now: datetime
) -> TelemetryAggregatePayload:
    known_as = prepared.customer_id
    if customer.customer_id is not None:
        known_as = pseudonym(customer.api_key, customer.customer_id)
    named = customer_id_to_send(
        prepared.customer_id, earlier, key_id(customer.api_key), known_as, anonymize=customer.anonymize
    )
    return complete(prepared.model_copy(update={"customer_id": named}), now)


def _attempt(
    transmission: Transmission,
    payload: TelemetryAggregatePayload,
    sealed: Sealed,
    trigger: AttemptTrigger,
    now: datetime,
) -> Attempt:
    return Attempt(
        number=transmission.attempts_made,
        trigger=trigger,
        started_at=now,
        finished_at=None,
        transmitted_at=payload.transmitted_at,
        customer_id=payload.customer_id,
        timestamp=sealed.message.timestamp,
        payload_sha256=sealed.payload_sha256,
        body_sha256=sealed.body_sha256,
        body_bytes=len(sealed.message.body),
        encrypted=sealed.encrypted,
        iv=sealed.iv,
        key_id=sealed.message.key_id,
        state=State.PENDING,
        cause=None,
        response_code=None,
        duplicate=False,
        duration_ms=None,
    )

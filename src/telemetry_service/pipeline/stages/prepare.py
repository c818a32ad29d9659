"""Prepares a payload: anonymizes the customer, closes the period and writes the transmission, in one transaction.

Only this module (for the preview), ``claim``, ``check_connection`` and ``take_over`` seal.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import rfc3339, time_ordered_id
from telemetry_service.domain.errors import (
    CustomerIdMissingError,
    LicenseServerMissingError,
    PayloadContradictionError,
    PreviewStaleError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.payload_schemas.check import only_listed
from telemetry_service.domain.payload_version import version_of, what_changed
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.release import Hold, hold_of
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.announcement import announce
from telemetry_service.pipeline.customer import seal_customer
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.aggregate import aggregate
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.sealing.sealer import Sealed, payload_bytes, seal
from telemetry_service.storage.transmissions import NewTransmission


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a period is closed, and when its payload is to be sent."""

    actor: Actor
    trigger: Trigger
    closed_by: ClosedBy
    attempt_trigger: AttemptTrigger
    send_at: datetime
    request_key: str | None = None
    shown: frozenset[str] | None = None
    """The versions that the caller has seen, one of which must be sent; None for any."""


def close_and_prepare(snapshot: Snapshot, closing: Closing) -> UUID:
    """Close the open period (locked by the caller), open the next and write the transmission; return its ID.

    It is due as ``closing`` says, unless it has to be released first. If the payload cannot be made, nothing is written
    and the period stays open.

    Raises:
        NotConfiguredError: the API key, the License Server or the customer ID is missing.
        KeyUnusableError: the stored API key cannot be opened.
        PayloadContradictionError: the period's numbers contradict each other.
        PreviewStaleError: the payload is not what was shown.
    """
    runtime, tx, now = snapshot.runtime, snapshot.tx, snapshot.now
    try:
        payload = aggregate(snapshot, outgoing_customer_id(snapshot))
    except PayloadContradictionError as error:
        log_event(Event.PAYLOAD_CONTRADICTION, trigger=closing.trigger, code=error.code)
        raise
    _check_shown(closing, version_of(snapshot.configuration, payload, runtime.schemas.current.sha256))
    transmission_id = time_ordered_id(now)
    tx.periods.close(snapshot.period, closing.closed_by, now, reopen_reportable=True)
    runtime.failpoint(Failpoint.PERIOD_CLOSED)
    _write(snapshot, closing, transmission_id, payload)
    tx.extension_codes.assign(payload.redeemed_extension_codes, transmission_id)
    runtime.failpoint(Failpoint.PREPARED)
    return transmission_id


def _write(snapshot: Snapshot, closing: Closing, transmission_id: UUID, payload: PreparedPayload) -> None:
    runtime, tx, now = snapshot.runtime, snapshot.tx, snapshot.now
    customer_id = snapshot.customer_id
    assert customer_id is not None  # noqa: S101 - without one nothing is outgoing
    schema, hold = runtime.schemas.current, _hold(snapshot)
    content = canonical_json(only_listed(schema.prepared, payload.model_dump(mode="json")))
    new = NewTransmission(
        transmission_id=transmission_id,
        period_id=snapshot.period.period_id,
        trigger=closing.trigger,
        request_key=closing.request_key,
        prepared_sha256=sha256_hex(content),
        customer_sealed=seal_customer(runtime, tx, transmission_id, customer_id),
        records_sent=payload.total_events,
        created_at=now,
        state=State.PENDING if hold is None else State.AWAITING_RELEASE,
        next_attempt_at=closing.send_at if hold is None else hold.until,
        next_trigger=closing.attempt_trigger,
    )
    tx.transmissions.add(new)
    tx.evidence.keep(transmission_id, content)
    period = {"opened_at": rfc3339(snapshot.period.opened_at), "closed_at": rfc3339(now)}
    tx.ledger.note(
        now,
        closing.actor,
        Kind.PREPARED,
        {
            "trigger": closing.trigger.value,
            "prepared_sha256": new.prepared_sha256,
            "schema_sha256": schema.sha256,
            "period": period,
            "records": new.records_sent,
            "waits_for": None if hold is None else hold.waits_for.value,
        },
        transmission_id,
    )


def _hold(snapshot: Snapshot) -> Hold | None:
    announced = announce(snapshot.runtime, snapshot.tx, snapshot.now)
    return hold_of(snapshot.runtime.deployment.release, announced)


def _check_shown(closing: Closing, present: str) -> None:
    if closing.shown is None or present in closing.shown:
        return
    sentence = f"{PreviewStaleError.sentence} {what_changed(next(iter(closing.shown), ''), present)}"
    raise PreviewStaleError(sentence)


def outgoing_customer_id(snapshot: Snapshot) -> str:
    """Return the customer ID as it is sent: its pseudonym, unless anonymization is off.

    Raises:
        LicenseServerMissingError: no License Server is configured.
        CustomerIdMissingError: the customer ID is unknown.
        NotConfiguredError: no API key is stored.
        KeyUnusableError: the stored API key cannot be opened.
    """
    if not snapshot.runtime.deployment.has_recipient:
        raise LicenseServerMissingError
    if snapshot.customer_id is None:
        raise CustomerIdMissingError
    named = pseudonym(snapshot.naming_key, snapshot.customer_id)
    return named if snapshot.configuration.values.anonymize_pii else snapshot.customer_id


def complete(payload: PreparedPayload, now: datetime) -> TelemetryAggregatePayload:
    """Add the time of sending."""
    return TelemetryAggregatePayload(**dict(payload), transmitted_at=rfc3339(now))


def seal_for_preview(snapshot: Snapshot, payload: PreparedPayload) -> Sealed:
    """Return the payload as it would be sent now. It is only shown, never sent."""
    encrypt, now = snapshot.configuration.values.encrypt_payload, snapshot.now
    plaintext = payload_bytes(complete(payload, now))
    return seal(plaintext, time_ordered_id(now), int(now.timestamp()), snapshot.api_key, encrypt)

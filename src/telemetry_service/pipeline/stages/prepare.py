"""Prepares what leaves: anonymizes the customer, closes the period and writes the transmission, all at once.

Together with ``claim`` and ``prove`` the only place that seals.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.clock import rfc3339, time_ordered_id
from telemetry_service.domain.errors import (
    CustomerIdMissingError,
    LicenseServerMissingError,
    PayloadContradictionError,
    PreviewStaleError,
)
from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.transmissions import AttemptTrigger, Trigger
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.report_facts import customer_id_of
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.customer import seal_customer
from telemetry_service.pipeline.queries.payload_version import version_of, what_changed
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.aggregate import Ending, aggregate
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.sealing.sealer import Sealed, seal
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.transmissions import NewTransmission


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a period is closed, and when its payload is to be sent."""

    trigger: Trigger
    closed_by: ClosedBy
    attempt_trigger: AttemptTrigger
    send_at: datetime
    request_key: str | None = None
    shown: frozenset[str] | None = None
    """The versions that somebody has seen, one of which is to be sent; None for any."""


def close_and_prepare(runtime: Runtime, tx: Transaction, ending: Ending, closing: Closing) -> UUID:
    """Close the period (locked by the caller), open the next and write the transmission; return its id.

    Nothing is written where the payload cannot be made: the period then stays open. Raises
    :class:`NotConfiguredError`, :class:`KeyUnusableError`, :class:`PayloadContradictionError`, or
    :class:`PreviewStaleError` where it is not what was shown.
    """
    named = outgoing_customer_id(runtime, tx)
    try:
        payload = aggregate(runtime, tx, ending, named)
    except PayloadContradictionError as error:
        log_event(Event.PAYLOAD_CONTRADICTION, trigger=closing.trigger, code=error.code)
        raise
    _check_shown(closing, version_of(tx, payload))
    transmission_id = time_ordered_id(ending.at)
    customer_id = customer_id_of(runtime, tx)
    assert customer_id is not None  # noqa: S101 - without one nothing is outgoing
    tx.periods.close(ending.period, closing.closed_by, ending.at, reopen_reportable=True)
    runtime.failpoint(Failpoint.PERIOD_CLOSED)
    tx.transmissions.add(
        NewTransmission(
            transmission_id=transmission_id,
            period_id=ending.period.period_id,
            trigger=closing.trigger,
            request_key=closing.request_key,
            payload=canonical_json(payload.model_dump(mode="json")),
            customer_sealed=seal_customer(runtime, transmission_id, customer_id),
            records_sent=payload.total_events,
            created_at=ending.at,
            next_attempt_at=closing.send_at,
            next_trigger=closing.attempt_trigger,
        )
    )
    tx.extension_codes.assign(payload.redeemed_extension_codes, transmission_id)
    runtime.failpoint(Failpoint.PREPARED)
    return transmission_id


def _check_shown(closing: Closing, present: str) -> None:
    if closing.shown is None or present in closing.shown:
        return
    sentence = f"{PreviewStaleError.sentence} {what_changed(next(iter(closing.shown), ''), present)}"
    raise PreviewStaleError(sentence)


def outgoing_customer_id(runtime: Runtime, tx: Transaction) -> str:
    """Return the customer id as it leaves: its pseudonym, unless anonymization is off."""
    customer_id = customer_id_of(runtime, tx)
    if runtime.client is None:
        raise LicenseServerMissingError
    if customer_id is None:
        raise CustomerIdMissingError
    api_key = open_api_key(runtime, tx)
    if tx.configuration.get().values.anonymize_pii:
        return pseudonym(api_key, customer_id)
    return customer_id


def complete(payload: PreparedPayload, now: datetime) -> TelemetryAggregatePayload:
    """Add the moment of sending."""
    return TelemetryAggregatePayload(**dict(payload), transmitted_at=rfc3339(now))


def seal_for_preview(runtime: Runtime, tx: Transaction, payload: PreparedPayload, now: datetime) -> Sealed:
    """Return the payload as it would leave at this moment; it is shown and never sent."""
    encrypt = tx.configuration.get().values.encrypt_payload
    api_key = open_api_key(runtime, tx)
    return seal(complete(payload, now), time_ordered_id(now), int(now.timestamp()), api_key, encrypt)

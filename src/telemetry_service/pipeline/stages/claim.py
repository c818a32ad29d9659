"""Claims a transmission for one attempt: takes a lease with a conditional update, and writes the attempt's row.

Before anything is sent, the stored payload is compared with its signed digest, the ledger has the digests of what will
be sent, and its bytes are kept. So a receipt can be checked against them even after a crash. After a crash, the
transmission is released when the lease expires.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import rfc3339, time_ordered_id
from telemetry_service.domain.errors import (
    KeyUnusableError,
    NotConfiguredError,
    NotVerifiedYetError,
    PayloadChangedError,
    PayloadContradictionError,
    PayloadSchemaUnknownError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.outcome import Held, Outcome, Rejected
from telemetry_service.domain.payload_schemas.check import check
from telemetry_service.domain.payload_schemas.reading import UnreadablePayload, read_prepared
from telemetry_service.domain.transmissions import Attempt, AttemptTrigger, State, Transmission, state_after
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.api_key_overlap import read_overlap
from telemetry_service.pipeline.changed_rows import are_as_stored
from telemetry_service.pipeline.prepared import Prepared, prepared_of, readable_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.anonymize import CustomerNamedError, anonymize, refuse_customer
from telemetry_service.pipeline.stages.follow_connection import connection_digest
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.sealer import Sealed, seal
from telemetry_service.storage.database import Transaction


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
    """Of the key that signs."""
    present_key_id: str
    """Of the present key; another one if the key before it is tried."""
    old_key_follows: bool
    """Whether the key before is tried too if this one is not accepted yet."""
    trigger: AttemptTrigger


class Completed(NamedTuple):
    """What is sent."""

    payload: bytes
    ledger: str
    """The digest of the latest entry, of the chain itself: whatever is in the row of the head would be sent, too."""


def claim(runtime: Runtime, transmission_id: UUID, trigger: AttemptTrigger | None) -> Claimed | None:
    """Take the lease and write the attempt, with the digests of what it will send, in one transaction.

    None if another process has the claim, or nothing may be sent now.

    Raises:
        PayloadChangedError: the stored payload is not the one that was signed; nothing is claimed.
        PayloadContradictionError: the stored payload is not valid; nothing is claimed.
        PayloadSchemaUnknownError: a newer version made the payload, and sends it; nothing is claimed.
    """
    with suppress(NotVerifiedYetError, CustomerNamedError):  # The former as are_as_stored does.
        try:
            return runtime.database.write_again(lambda tx: _claim(runtime, tx, transmission_id, trigger))
        except CustomerNamedError:
            anonymize(runtime, transmission_id)
            return runtime.database.write_again(lambda tx: _claim(runtime, tx, transmission_id, trigger))
    return None


def _claim(runtime: Runtime, tx: Transaction, transmission_id: UUID, trigger: AttemptTrigger | None) -> Claimed | None:
    now = runtime.clock.now()
    token = time_ordered_id(now)
    state = tx.current_state.read(runtime.schemas.current.sha256, now)
    configuration = state.configuration
    if not runtime.enabled(configuration) or not runtime.deployment.online or state.restored_at or state.unreadable:
        return None
    try:
        api_key = open_api_key(runtime, state.api_key, transmission_id)
    except (NotConfiguredError, KeyUnusableError):
        return None  # The health says why; the transmission stays due.
    if not are_as_stored(runtime, tx, state):
        return None  # As the health says, at the latest after the next sweep.
    due_within = runtime.retry_policy.longest if trigger is None else None
    if not tx.transmissions.claim(transmission_id, token, now, due_within):
        return None
    transmission = tx.transmissions.get(transmission_id)
    assert transmission is not None  # noqa: S101 - it was claimed a statement ago
    earlier = tx.transmissions.attempts(transmission_id)
    payload, ledger = completed(runtime, tx, transmission, now)
    if configuration.values.anonymize_pii:
        refuse_customer(runtime, tx, transmission_id, payload)
    encrypt = configuration.values.encrypt_payload
    head = ledger if runtime.receipt_keys else None
    old, present_key_id = read_overlap(runtime, tx, now), key_id(api_key)
    if old is not None and trigger is None and _was_refused(earlier, present_key_id):
        api_key = old.api_key
    sealed = seal(payload, transmission_id, int(now.timestamp()), api_key, encrypt=encrypt, ledger=head)
    planned_by = trigger or tx.transmissions.next_trigger(transmission_id)
    attempt = _attempt(_number(transmission, earlier), sealed, planned_by, now)
    _record(runtime, tx, transmission_id, attempt, sealed)
    known = (*earlier, attempt)
    return Claimed(
        transmission=transmission,
        token=token,
        number=attempt.number,
        sealed=sealed,
        known_bodies=frozenset(a.body_sha256 for a in known),
        known_payloads=frozenset(a.payload_sha256 for a in known),
        api_key_id=attempt.key_id,
        present_key_id=present_key_id,
        old_key_follows=old is not None and attempt.key_id == present_key_id,
        trigger=attempt.trigger,
    )


def refuse_payload(
    runtime: Runtime, transmission_id: UUID, error: PayloadChangedError | PayloadContradictionError
) -> Outcome:
    """Keep a transmission whose stored payload must not be sent: it stays visible and does not block others."""
    now = runtime.clock.now()
    token = time_ordered_id(now)
    changed = isinstance(error, PayloadChangedError)
    outcome = Held(Cause.PAYLOAD_CHANGED) if changed else Rejected(Cause.PAYLOAD_INVALID)
    with runtime.database.write() as tx:
        before = tx.transmissions.get(transmission_id)
        if before is not None and tx.transmissions.claim(transmission_id, token, now):
            prepared = readable_of(runtime, tx, before)
            waits = changed and prepared is not None and prepared.must_be_released
            state = State.AWAITING_RELEASE if waits else state_after(outcome)  # What someone has freed waits on.
            columns = {"state": state, "cause": outcome.cause, "next_attempt_at": None, **_tried_as(before)}
            tx.transmissions.release(transmission_id, token, columns)
            if before.cause is not outcome.cause:
                tx.ledger.note(now, SERVICE, Kind.VERIFY_FAILED, {"cause": outcome.cause.value}, transmission_id)
    log_event(Event.PAYLOAD_INVALID, transmission_id=transmission_id, cause=outcome.cause)
    return outcome


def _tried_as(before: Transmission) -> dict[str, object]:
    """Return what is left of a claim without an attempt."""
    return {"attempts_made": before.attempts_made, "last_attempt_at": before.last_attempt_at}


def export(snapshot: Snapshot, transmission_id: UUID, payload: Completed) -> Sealed | None:
    """Make an attempt in a bundle, with a payload that ``completed`` returned; None if nothing is left to export.

    The settings and the API key are those that the snapshot has compared with their stamp.
    Its receipt may be months away, so there is no lease: the attempt ends with the file.
    """
    runtime, tx, now = snapshot.runtime, snapshot.tx, snapshot.now
    if not tx.transmissions.export(transmission_id, now):
        return None
    earlier = tx.transmissions.attempts(transmission_id)
    transmission = tx.transmissions.get(transmission_id)
    assert transmission is not None  # noqa: S101 - it was exported a statement ago
    encrypt = snapshot.configuration.values.encrypt_payload
    content, head = payload
    sealed = seal(content, transmission_id, int(now.timestamp()), snapshot.api_key, encrypt=encrypt, ledger=head)
    attempt = replace(
        _attempt(_number(transmission, earlier), sealed, AttemptTrigger.BUNDLE, now),
        state=State.EXPORTED,
        finished_at=now,
    )
    _record(runtime, tx, transmission_id, attempt, sealed)
    return sealed


def completed(runtime: Runtime, tx: Transaction, transmission: Transmission, now: datetime) -> Completed:
    """Return the payload of a transmission as it is sent at ``now``: only the time of sending is added.

    It is checked against its own schema, whatever today's is.

    Raises:
        PayloadChangedError: the stored payload is not the one that was signed.
        PayloadContradictionError: it does not match its schema.
        PayloadSchemaUnknownError: a newer version made it.
        NotVerifiedYetError: the ledger lacks the latest entry that a verification has seen.
    """
    prepared = prepared_of(runtime, tx, transmission)
    if not prepared.may_leave:
        raise PayloadChangedError  # Someone has changed the row: it was not released, or it had ended.
    if prepared.ledger_end is None:
        raise NotVerifiedYetError
    return Completed(completed_at(runtime, prepared, now), prepared.ledger_end.sha256)


def completed_at(runtime: Runtime, prepared: Prepared, now: datetime) -> bytes:
    """Return what a payload is once it is sent at ``now``.

    Raises:
        PayloadContradictionError: it does not match its schema.
        PayloadSchemaUnknownError: a newer version made it.
    """
    schema = runtime.schemas.get(prepared.schema_sha256)
    read = read_prepared(prepared.content, schema)
    if schema is None:
        raise PayloadSchemaUnknownError
    if isinstance(read, UnreadablePayload):
        raise PayloadContradictionError
    document = {**read.members, "transmitted_at": rfc3339(now)}
    if check(schema, document):
        raise PayloadContradictionError
    return canonical_json(document)


def _record(runtime: Runtime, tx: Transaction, transmission_id: UUID, attempt: Attempt, sealed: Sealed) -> None:
    """Write the attempt into its row and into the ledger, and keep the bytes of what it sends."""
    connection = connection_digest(runtime)
    tx.transmissions.begin_attempt(transmission_id, attempt, connection)
    tx.evidence.keep(transmission_id, sealed.payload)
    tx.evidence.keep(transmission_id, sealed.message.body)
    tx.ledger.note(
        attempt.started_at,
        SERVICE,
        Kind.ATTEMPT,
        {
            "number": attempt.number,
            "trigger": attempt.trigger.value,
            "payload_sha256": attempt.payload_sha256,
            "body_sha256": attempt.body_sha256,
            "encrypted": attempt.encrypted,
            "key_id": attempt.key_id,
            "timestamp": attempt.timestamp,
            "signature": sealed.message.signature,
            "content_type": sealed.message.content_type,
            "ledger": sealed.message.ledger,
            "destination": None if attempt.trigger is AttemptTrigger.BUNDLE else connection.hex(),
        },
        transmission_id,
    )


def _was_refused(earlier: Sequence[Attempt], present_key_id: str) -> bool:
    """Whether the latest attempt was made under the present key, and the License Server does not know that key yet."""
    latest = earlier[-1] if earlier else None
    return latest is not None and (latest.key_id, latest.cause) == (present_key_id, Cause.API_KEY_NOT_ACCEPTED)


def _number(transmission: Transmission, earlier: Sequence[Attempt]) -> int:
    """Return the number of the next attempt. A row that someone has inserted must not make every attempt fail."""
    return max(transmission.attempts_made, *(attempt.number + 1 for attempt in earlier[-1:]), 1)


def _attempt(number: int, sealed: Sealed, trigger: AttemptTrigger, now: datetime) -> Attempt:
    return Attempt(
        number=number,
        trigger=trigger,
        started_at=now,
        finished_at=None,
        transmitted_at=rfc3339(now),
        timestamp=sealed.message.timestamp,
        payload_sha256=sealed.payload_sha256,
        body_sha256=sealed.body_sha256,
        body_bytes=len(sealed.message.body),
        encrypted=sealed.encrypted,
        key_id=sealed.message.key_id,
        state=State.PENDING,
        cause=None,
        response_code=None,
        duplicate=False,
        duration_ms=None,
    )

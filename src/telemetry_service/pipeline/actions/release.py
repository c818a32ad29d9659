"""*Release* and *Withdraw*: the two ways out for a payload that waits, each with a reason. Safe to press twice."""

from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import (
    AlreadyDeliveredError,
    AttemptUnderWayError,
    MayHaveArrivedError,
    NotAwaitingReleaseError,
    NotFoundError,
    PayloadChangedError,
    PreviewStaleError,
    ReasonRefusedError,
    WithdrawnError,
)
from telemetry_service.domain.ledger import Kind, Salted, Value
from telemetry_service.domain.obstacles import bars_release
from telemetry_service.domain.release import Release, WaitsFor, reason_error, wait_of
from telemetry_service.domain.transmissions import SENDABLE_STATES, State, Transmission
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.put_back import put_back_accepted
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.prepared import prepared_of, readable_of, says_accepted, was_released
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.withdrawal import Withdrawal, withdrawal_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from telemetry_service.pipeline.stages.deliver import deliver
from telemetry_service.storage.database import Transaction

_REPLACED = "The payload was prepared again since it was shown. Check it again, then release it."


def release(
    runtime: Runtime, transmission_id: UUID, actor: Actor, reason: str, shown: str | None = None
) -> TransmissionDetail:
    """Release a payload that waits, send it, and return its transmission after the attempt.

    If it waits because of a new field, that field is approved with it. ``shown`` is the digest of the payload that the
    caller has seen; None accepts any. A transmission that was released before is returned as it is. Whether it waits is
    what its entries say, in whatever state someone has put its row. One that was accepted before is shown as accepted
    again.

    Raises:
        ReasonRefusedError: the reason is missing or cannot be kept.
        TelemetryDisabledError: telemetry is off.
        RestoredError: the database was restored, and it is not known yet what was sent since.
        NotFoundError: there is no such transmission.
        WithdrawnError: it was withdrawn.
        NotAwaitingReleaseError: it never waited for a release.
        PreviewStaleError: its payload is not the one that was shown.
        PayloadChangedError: its payload is not the one that was signed.
        NotVerifiedYetError: the ledger has to be verified first.
    """
    check_reason(reason)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.configuration.get(lock=True)  # No one turns telemetry off meanwhile.
        accepted = put_back_accepted(runtime, tx, transmission_id, actor)
        snapshot = Snapshot(runtime, tx, now, decides=True)
        waits = not accepted and _release(snapshot, transmission_id, actor, reason, shown)
    if waits:
        log_event(Event.PAYLOAD_RELEASED, transmission_id=transmission_id, actor=actor.label)
        deliver(runtime, transmission_id)
    with open_snapshot(runtime) as snapshot:
        return read_transmission(snapshot, transmission_id)


def withdraw(runtime: Runtime, transmission_id: UUID, actor: Actor, reason: str) -> TransmissionDetail:
    """Never send a payload of which nothing can have arrived, or that can never be sent; return its transmission.

    Its counts are not reported, and its extension codes are included in the next payload, unless they may have been
    sent: then they count as sent.

    Raises:
        ReasonRefusedError: the reason is missing or cannot be kept.
        NotFoundError: there is no such transmission.
        AlreadyDeliveredError: the License Server has accepted it.
        AttemptUnderWayError: it is being sent right now.
        MayHaveArrivedError: the License Server may have it.
    """
    check_reason(reason)
    with runtime.database.write() as tx:
        transmission = tx.transmissions.lock(transmission_id)
        if transmission is None:
            raise NotFoundError
        # Someone may have written into its row that it was withdrawn, and could take that back.
        withdraws = transmission.state is not State.WITHDRAWN or not _was_withdrawn(runtime, tx, transmission)
        if withdraws:
            _withdraw(runtime, tx, transmission, actor, reason)
    if withdraws:
        log_event(Event.PAYLOAD_WITHDRAWN, transmission_id=transmission_id, actor=actor.label)
    with open_snapshot(runtime) as snapshot:
        return read_transmission(snapshot, transmission_id)


def _withdraw(runtime: Runtime, tx: Transaction, transmission: Transmission, actor: Actor, reason: str) -> None:
    now, transmission_id = runtime.clock.now(), transmission.transmission_id
    if _was_withdrawn(runtime, tx, transmission):
        tx.transmissions.withdraw(transmission_id, now, may_have_arrived=False)
        return  # Someone has changed its row back: there is its entry, and its codes were given back then.
    withdrawal = _withdrawal(Snapshot(runtime, tx, now), transmission)
    tx.transmissions.withdraw(transmission_id, now, may_have_arrived=withdrawal.may_have_arrived)
    if withdrawal.returns_codes:
        tx.extension_codes.give_back(transmission_id)
    else:
        tx.extension_codes.accepted(transmission_id, now)
    said: dict[str, Value] = {
        "reason": Salted(reason),
        "prepared_sha256": transmission.prepared_sha256,
        "records": transmission.records_sent,
        "may_have_arrived": withdrawal.may_have_arrived,
        "codes": "given_back" if withdrawal.returns_codes else "count_as_sent",
    }
    tx.ledger.note(now, actor, Kind.WITHDRAWN, said, transmission_id)


def _release(snapshot: Snapshot, transmission_id: UUID, actor: Actor, reason: str, shown: str | None) -> bool:
    """Let a payload go; False if that was done before."""
    runtime, tx = snapshot.runtime, snapshot.tx
    bar = bars_release(snapshot.setup)
    if bar is not None:
        raise bar.refusal()
    transmission = locked(tx, transmission_id)
    waits = transmission.state is State.AWAITING_RELEASE or _must_be_released(runtime, tx, transmission)
    if waits:
        _let_go(runtime, tx, transmission, actor, reason, shown)
    elif not was_released(runtime, tx, transmission_id):
        raise NotAwaitingReleaseError
    return waits


def check_reason(reason: str) -> None:
    """Refuse a reason that cannot be kept.

    Raises:
        ReasonRefusedError: with what is wrong with it.
    """
    problem = reason_error(reason)
    if problem is not None:
        message = f"The reason {problem}"
        raise ReasonRefusedError(message)


def locked(tx: Transaction, transmission_id: UUID) -> Transmission:
    """Return a transmission that was not withdrawn, and lock it.

    Raises:
        NotFoundError: there is no such transmission.
        WithdrawnError: it was withdrawn.
    """
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None:
        raise NotFoundError
    if transmission.state is State.WITHDRAWN:
        raise WithdrawnError
    return transmission


def _let_go(
    runtime: Runtime, tx: Transaction, transmission: Transmission, actor: Actor, reason: str, shown: str | None
) -> None:
    if shown not in {None, transmission.prepared_sha256}:
        raise PreviewStaleError(_REPLACED)
    now, schema_sha256 = runtime.clock.now(), prepared_of(runtime, tx, transmission).schema_sha256
    tx.transmissions.await_release(transmission.transmission_id, None)  # Whatever state someone has put it in.
    tx.transmissions.let_go(transmission.transmission_id, now)
    approves = tx.announced_schemas.settle(schema_sha256, now)
    if approves and runtime.deployment.release.release is Release.AUTOMATIC:
        _end_waiting_for(runtime, tx, schema_sha256)
    said: dict[str, Value] = {
        "reason": Salted(reason),
        "prepared_sha256": transmission.prepared_sha256,
        "schema_sha256": schema_sha256,
    }
    tx.ledger.note(now, actor, Kind.APPROVED if approves else Kind.RELEASED, said, transmission.transmission_id)


def _end_waiting_for(runtime: Runtime, tx: Transaction, schema_sha256: str) -> None:
    """Let the other payloads with the approved schema leave in the next round of deliveries."""
    for waiting in tx.transmissions.waiting(frozenset({State.AWAITING_RELEASE})):
        signed = signed_claims(runtime, tx, waiting)
        named = any(said.get("schema_sha256") == schema_sha256 for said in signed)
        if named and wait_of(signed) is WaitsFor.NEW_FIELD:
            tx.transmissions.wait_until(waiting, runtime.clock.now())


def _must_be_released(runtime: Runtime, tx: Transaction, transmission: Transmission) -> bool:
    """Whether it waits for its release by its entries, although its row says something else."""
    if transmission.state not in SENDABLE_STATES or transmission.in_flight(runtime.clock.now()):
        return False
    prepared = readable_of(runtime, tx, transmission)
    if prepared is None and transmission.cause is Cause.PAYLOAD_CHANGED:
        raise PayloadChangedError
    return prepared is not None and prepared.must_be_released


def _was_withdrawn(runtime: Runtime, tx: Transaction, transmission: Transmission) -> bool:
    signed = signed_claims(runtime, tx, transmission.transmission_id)
    return any(said["kind"] == Kind.WITHDRAWN for said in signed)


def _withdrawal(snapshot: Snapshot, transmission: Transmission) -> Withdrawal:
    signed = signed_claims(snapshot.runtime, snapshot.tx, transmission.transmission_id)
    if transmission.state is State.SUCCESS or says_accepted(signed):
        raise AlreadyDeliveredError
    if transmission.in_flight(snapshot.now):
        raise AttemptUnderWayError
    withdrawal = withdrawal_of(snapshot, transmission)
    if withdrawal is None:
        raise MayHaveArrivedError
    return withdrawal

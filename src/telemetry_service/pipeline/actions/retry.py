"""*Retry*: sends a stored payload again now, under the same ID. Safe to click twice."""

from dataclasses import replace
from functools import partial
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import (
    AttemptUnderWayError,
    AwaitingReleaseError,
    NotFoundError,
    WithdrawnError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.obstacles import bars_attempts
from telemetry_service.domain.transmissions import FAILED_STATES, AttemptTrigger, State
from telemetry_service.pipeline.actions.put_back import put_back_accepted
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from telemetry_service.pipeline.stages.deliver import deliver, deliver_due
from telemetry_service.storage.ledger_sweep import readable


def retry(runtime: Runtime, transmission_id: UUID, actor: Actor) -> TransmissionDetail:
    """Send one transmission again and return it, after the attempt. One that is accepted by now is returned as it is.

    One that was accepted before, although someone has changed its row, is shown as accepted again and not sent.

    Raises:
        NotFoundError: there is no such transmission.
        AwaitingReleaseError: it waits for its release.
        WithdrawnError: it was withdrawn.
        AttemptUnderWayError: it is being sent right now.
        TelemetryDisabledError: telemetry is off.
        NotConfiguredError: the API key or the License Server is missing.
        KeyUnusableError: the stored API key cannot be opened.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        accepted = put_back_accepted(runtime, tx, transmission_id, actor)
        begun = not accepted and _begin(Snapshot(runtime, tx, now, decides=True), transmission_id, actor)
    missed = begun and deliver(runtime, transmission_id, AttemptTrigger.RETRY) is None
    with open_snapshot(runtime) as snapshot:
        detail = read_transmission(snapshot, transmission_id)
    if missed and detail.transmission.state is not State.SUCCESS:
        raise AttemptUnderWayError
    return replace(detail, accepted_before=missed or not begun)


def retry_failed(runtime: Runtime, actor: Actor) -> tuple[TransmissionDetail, ...]:
    """Send every failed transmission again, oldest first, and return them after their attempts.

    All of them become due, so that those that this round does not get to, because there is no connection or there are
    too many, are sent automatically at the next wakings. Those that wait for a person are left out: each has its own
    *Retry*.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        _may_send(Snapshot(runtime, tx, now, decides=True))
        failed = tx.transmissions.wakeable(FAILED_STATES)
        tx.transmissions.make_due(FAILED_STATES, now, AttemptTrigger.RETRY)
        if failed:
            tx.ledger.note(now, actor, Kind.RETRIED, {"transmissions": len(failed)})
    deliver_due(runtime)
    with open_snapshot(runtime) as snapshot:
        read = (readable(partial(read_transmission, snapshot, it)) for it in failed)
        return tuple(found for found in read if found is not None)


def _begin(snapshot: Snapshot, transmission_id: UUID, actor: Actor) -> bool:
    """Note a retry that may be tried; False if it is accepted already."""
    known = snapshot.tx.transmissions.get(transmission_id)
    if known is not None and known.state is State.SUCCESS:
        return False
    _may_send(snapshot)
    transmission = snapshot.tx.transmissions.lock(transmission_id)
    if transmission is None:
        raise NotFoundError
    if transmission.state is State.SUCCESS:
        return False
    _check_state(transmission.state)
    if transmission.in_flight(snapshot.now):
        raise AttemptUnderWayError
    snapshot.tx.ledger.note(snapshot.now, actor, Kind.RETRIED, transmission_id=transmission_id)
    return True


def _check_state(state: State) -> None:
    if state is State.AWAITING_RELEASE:
        raise AwaitingReleaseError
    if state is State.WITHDRAWN:
        raise WithdrawnError


def _may_send(snapshot: Snapshot) -> None:
    bar = bars_attempts(snapshot.setup)
    if bar is not None:
        raise bar.refusal()

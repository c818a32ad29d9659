"""Counts the next audit events of the source: one bounded step, read first and written in one transaction.

None of our transactions is open while the source is read. The process that moves the cursor counts the step, in the
same transaction, so several replicas may read the same rows.
"""

from datetime import timedelta

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.admission import Counters
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.source import Anchor, Begun, Horizon, SourceState, Step
from telemetry_service.domain.source_errors import SourceFullError, SourceRestoredError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.add_counts import NoRoomError, add_counts
from telemetry_service.pipeline.stages.source.start import start_now
from telemetry_service.storage.database import Transaction

_NOTED_EVERY = timedelta(seconds=30)
"""A look that finds nothing writes no more often, so that an idle source costs no commits."""


def count_step(runtime: Runtime) -> bool:
    """Read and count one step; return whether there may be more.

    Raises:
        SourceError: the source cannot be read on.
    """
    with runtime.database.read() as tx:
        state = tx.source.state()
    if state is not None and state.restored:
        raise SourceRestoredError
    if state is None or state.begun is None:
        _begin(runtime)
        return False
    now = runtime.clock.now()
    horizon, step, anchor = _read(runtime, state.begun)
    runtime.failpoint(Failpoint.SOURCE_READ)
    if step.rows:
        _count(runtime, state, step)
        return True
    _note_look(runtime, state.after_look(horizon, now, anchor))
    return False


def _read(runtime: Runtime, begun: Begun) -> tuple[Horizon, Step, Anchor | None]:
    """Return what can be read, the next step, and the newest row before it."""
    assert runtime.source is not None  # noqa: S101 - the caller has asked
    with runtime.source.look() as look:
        look.require_contract()
        horizon = look.horizon()
        if look.went_back(begun.cursor, horizon):
            raise SourceRestoredError
        anchor = look.anchor(begun)
        return horizon, look.step(begun.cursor, runtime.source_reading.share, apart_from=begun.there), anchor


def _begin(runtime: Runtime) -> None:
    """Begin here: what is there already is only caught up on."""
    start = start_now(runtime)
    runtime.failpoint(Failpoint.SOURCE_READ)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        begun = tx.source.begin(start, now)
        if begun:
            tx.ledger.note(now, SERVICE, Kind.SOURCE, {"act": "begun", "position": start.cursor.position})
    if begun:
        log_event(Event.SOURCE_BEGUN)


def _count(runtime: Runtime, state: SourceState, step: Step) -> None:
    try:
        with runtime.database.write() as tx:
            period = tx.periods.share_open()
            if not tx.source.move(state, step.end, step.counted, step.anchor):
                return  # Another replica has counted these rows.
            add_step(runtime, tx, period.period_id, step)
            runtime.source_reading.counted = True
            runtime.failpoint(Failpoint.SOURCE_COUNTED)
    except NoRoomError:
        raise SourceFullError from None
    runtime.failpoint(Failpoint.SOURCE_COMMITTED)


def add_step(runtime: Runtime, tx: Transaction, period_id: int, step: Step) -> None:
    """Add a step to the open period, on the present UTC day.

    Raises:
        NoRoomError: the period has no room for it.
    """
    counters: Counters = {key: [n.events, n.decisions, n.successful] for key, n in step.counts.items()}
    events: dict[str, int] = {}
    for (bouncer_id, _), counts in step.counts.items():
        events[bouncer_id] = events.get(bouncer_id, 0) + counts.events
    add_counts(runtime, tx, period_id, runtime.clock.now().date(), counters)
    tx.source.add_usage(period_id, events)


def _note_look(runtime: Runtime, state: SourceState) -> None:
    with runtime.database.read() as tx:
        before = tx.source.state()
    if before is None or before.version != state.version:
        return  # Another replica has read on.
    reading = runtime.source_reading
    # What an older copy of the source would lack must be known before one can take its place.
    same_row = before.begun is not None and state.begun is not None and before.begun.anchor == state.begun.anchor
    idle = before.obstacle is None and not reading.counted and same_row
    if idle and timedelta(0) <= state.looked_at - before.looked_at < _NOTED_EVERY:
        return
    reading.counted = False
    with runtime.database.write() as tx:
        tx.source.looked(state)
    if before.obstacle is not None:
        log_event(Event.SOURCE_CONTINUED, code=before.obstacle.code)

"""Catches up on older rows of the source, in bounded steps that any process can continue."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.obstacles import bars_everything
from telemetry_service.domain.source import Begun, CatchUp, Span, SpanNumbers
from telemetry_service.domain.source_errors import CatchUpRefusedError, SourceNotBegunError, SourceRestoredError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.pipeline.stages.source.older_rows import count_older_step, numbers_of
from telemetry_service.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class CatchUpPlan:
    """What a catch-up would do, or what is left of one that was begun."""

    span: Span
    numbers: SpanNumbers | None
    """None where it continues."""
    begun: CatchUp | None


def plan_catch_up(runtime: Runtime, since: datetime) -> CatchUpPlan:
    """Say which rows would be counted. Nothing is changed.

    Raises:
        TelemetryDisabledError: telemetry is off, so what is counted now is never sent.
        SourceNotBegunError: the source was never read.
        SourceRestoredError: the source went back, and no one has decided where to continue.
        CatchUpRefusedError: these rows were counted, or another catch-up is not finished.
        SourceError: the source cannot be read.
    """
    with open_snapshot(runtime) as snapshot:
        off = bars_everything(snapshot.setup)
        begun, earlier = _begun(snapshot.tx), snapshot.tx.source.catch_up()
    if off is not None:
        raise off.refusal()
    if earlier is not None and not earlier.finished:
        return CatchUpPlan(_same(earlier, since).span, None, earlier)
    span = _span(begun, earlier, since)
    return CatchUpPlan(span, numbers_of(runtime, span), None)


def catch_up(runtime: Runtime, plan: CatchUpPlan, actor: Actor) -> Iterator[CatchUp]:
    """Count the rows step by step, and yield how far it is after each.

    Raises:
        SourceError: the source cannot be read on; a later call continues.
        CatchUpRefusedError: someone else has begun another catch-up meanwhile.
    """
    if plan.numbers is not None:
        _begin(runtime, plan.span, plan.numbers, actor)
    while not (found := _present(runtime, plan.span)).finished:
        yield found
        if runtime.stopping.is_set():
            return
        count_older_step(runtime, found)
    _note_end(runtime, found, actor)
    yield found


def _begin(runtime: Runtime, span: Span, numbers: SpanNumbers, actor: Actor) -> None:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.periods.lock_open()  # One at a time.
        begun, earlier = _begun(tx), tx.source.catch_up()
        if (earlier is not None and not earlier.finished) or _span(begun, earlier, span.since) != span:
            message = "Another catch-up was begun or the source was reset meanwhile. Start this one again."
            raise CatchUpRefusedError(message)
        tx.source.begin_catch_up(span, numbers.rows)
        said: dict[str, Value] = {"act": "catch_up_begun", "since": rfc3339(span.since), "rows": numbers.counted}
        tx.ledger.note(now, actor, Kind.SOURCE, said)


def _note_end(runtime: Runtime, found: CatchUp, actor: Actor) -> None:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        said: dict[str, Value] = {"act": "catch_up_ended", "since": rfc3339(found.span.since), "rows": found.counted}
        tx.ledger.note(now, actor, Kind.SOURCE, said)
    log_event(Event.SOURCE_CAUGHT_UP, actor=actor.label, rows=found.counted)


def _present(runtime: Runtime, span: Span) -> CatchUp:
    with runtime.database.read() as tx:
        _begun(tx)
        found = tx.source.catch_up()
    if found is None or found.span != span:
        message = "Another catch-up was begun meanwhile."
        raise CatchUpRefusedError(message)
    return found


def _begun(tx: Transaction) -> Begun:
    state = tx.source.state()
    if state is None or state.begun is None:
        raise SourceNotBegunError
    if state.restored:
        raise SourceRestoredError
    return state.begun


def _same(earlier: CatchUp, since: datetime) -> CatchUp:
    if earlier.span.since != since:
        message = f"A catch-up from {rfc3339(earlier.span.since)} is not finished. Repeat its command to finish it."
        raise CatchUpRefusedError(message)
    return earlier


def _span(begun: Begun, earlier: CatchUp | None, since: datetime) -> Span:
    """Return the rows that were never counted: each date is caught up on once."""
    until = earlier.span.since if earlier is not None else None
    if until is not None and since >= until:
        message = f"Everything since {rfc3339(until)} was caught up on already."
        raise CatchUpRefusedError(message)
    return Span(begun.floor, since, until, begun.there)

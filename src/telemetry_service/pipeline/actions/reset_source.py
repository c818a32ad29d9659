"""Decides where the source is read from, after it was restored or when rows are to be skipped."""

from dataclasses import dataclass

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.source import Begun, Cursor, Start
from telemetry_service.domain.source_errors import SourceNotBegunError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.source.older_rows import number_behind
from telemetry_service.pipeline.stages.source.start import start_now


@dataclass(frozen=True, slots=True)
class ResetPlan:
    """What a reset would do."""

    before: Cursor
    after: Start
    rows: int
    """Rows that are there already, and are counted next."""
    floor: int
    """No row from here on is ever caught up on: neither the old nor the new cursor has come so far."""
    version: int
    """Of the cursor; another one means that the service has read on since."""
    to_now: bool


@dataclass(frozen=True, slots=True)
class ResetDone:
    """What a reset did."""

    position: int
    ended_catch_up: bool
    """Whether this ended a catch-up that was not finished."""


def plan_reset(runtime: Runtime, position: int | None) -> ResetPlan:
    """Say what a reset to a position does, or to this moment without one. Nothing is changed.

    Raises:
        SourceNotBegunError: the source was never read.
        SourceError: the source cannot be read.
    """
    version, begun = _begun(runtime)
    after = start_now(runtime) if position is None else Start(Cursor(position))
    rows = 0 if position is None else number_behind(runtime, after.cursor)
    floor = min(begun.passed, after.cursor.position)
    return ResetPlan(begun.cursor, after, rows, floor, version, to_now=position is None)


def plan_continue(runtime: Runtime) -> ResetPlan:
    """Say what it does to continue behind the row that was read last: the source was not restored after all.

    Raises:
        SourceNotBegunError: the source was never read.
        SourceError: the source cannot be read.
    """
    version, begun = _begun(runtime)
    rows = number_behind(runtime, begun.cursor)
    return ResetPlan(begun.cursor, Start(begun.cursor, begun.there), rows, begun.floor, version, to_now=False)


def reset_source(runtime: Runtime, plan: ResetPlan, actor: Actor) -> ResetDone | None:
    """Continue as planned, or at the present moment; None if the service has read on and the numbers are others.

    Between a plan and its confirmation, the service may count rows. A cursor that goes back behind them would count
    them twice.

    Raises:
        SourceError: the source cannot be read.
    """
    if not plan.to_now:
        return _reset(runtime, plan, actor)
    while (done := _reset(runtime, plan_reset(runtime, None), actor)) is None:
        pass  # The service has read a step in these milliseconds.
    return done


def _reset(runtime: Runtime, plan: ResetPlan, actor: Actor) -> ResetDone | None:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        if not tx.source.reset(plan.version, plan.after, plan.floor, now):
            return None
        ended = tx.source.end_catch_up()
        places: dict[str, Value] = {"before": plan.before.position, "position": plan.after.cursor.position}
        said: dict[str, Value] = {"act": "reset", **places, "rows": plan.rows}
        tx.ledger.note(now, actor, Kind.SOURCE, said)
    log_event(Event.SOURCE_RESET, actor=actor.label)
    return ResetDone(plan.after.cursor.position, ended)


def _begun(runtime: Runtime) -> tuple[int, Begun]:
    with runtime.database.read() as tx:
        state = tx.source.state()
    if state is None or state.begun is None:
        raise SourceNotBegunError
    return state.version, state.begun

"""Decides where the source is read from, after it was restored or when rows are to be skipped."""

from dataclasses import dataclass

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.source import Begun, Cursor
from telemetry_service.domain.source_errors import SourceNotBegunError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.source.older_rows import number_behind, position_now


@dataclass(frozen=True, slots=True)
class ResetPlan:
    """What a reset would do."""

    before: Cursor
    after: Cursor
    rows: int
    """Rows that are there already, and are counted next."""


def plan_reset(runtime: Runtime, position: int | None) -> ResetPlan:
    """Say what a reset to a position does, or to this moment without one. Nothing is changed.

    Raises:
        SourceNotBegunError: the source was never read.
        SourceError: the source cannot be read.
    """
    begun = _begun(runtime)
    after = Cursor(position_now(runtime) if position is None else position)
    return ResetPlan(begun.cursor, after, 0 if position is None else number_behind(runtime, after))


def reset_source(runtime: Runtime, plan: ResetPlan, actor: Actor) -> bool:
    """Continue as planned; return whether this ended a catch-up that was not finished.

    Older rows are caught up on only as far as neither the old nor the new cursor has come, so that none counts twice.
    """
    now = runtime.clock.now()
    begun = _begun(runtime)
    floor = min(begun.floor, plan.after.position)
    with runtime.database.write() as tx:
        tx.source.reset(plan.after, floor, now)
        ended = tx.source.end_catch_up()
        places: dict[str, Value] = {"before": begun.cursor.position, "position": plan.after.position}
        said: dict[str, Value] = {"act": "reset", **places, "rows": plan.rows}
        tx.ledger.note(now, actor, Kind.SOURCE, said)
    log_event(Event.SOURCE_RESET, actor=actor.label)
    return ended


def _begun(runtime: Runtime) -> Begun:
    with runtime.database.read() as tx:
        state = tx.source.state()
    if state is None or state.begun is None:
        raise SourceNotBegunError
    return state.begun

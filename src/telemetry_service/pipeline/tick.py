"""What the schedule does when it wakes: run the tick that is due, then deliver what is due.

The database decides: whoever moves the next run forward, and writes the tick's unique key in the
same transaction, owns the tick. Any number of replicas make one payload.
"""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.activity import Action
from telemetry_service.domain.clock import is_plausible, rfc3339
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, PayloadContradictionError
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.schedule import next_run_after, send_offset
from telemetry_service.domain.transmissions import FAILED_STATES, AttemptTrigger, State, Trigger
from telemetry_service.pipeline.aggregate import Ending
from telemetry_service.pipeline.deliver import deliver_due
from telemetry_service.pipeline.installation import Installation, Milestone
from telemetry_service.pipeline.log_lines import log_tick
from telemetry_service.pipeline.prepare import Closing, close_and_prepare
from telemetry_service.storage.database import Transaction

_EVERY_WAITING_STATE = FAILED_STATES | {State.PENDING}
_SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class WakeReport:
    """What one waking did: the tick's result, or None where none was due, and the attempts made."""

    tick: str | None
    attempts: int


def wake(installation: Installation) -> WakeReport:
    """Run the due tick and deliver what is due."""
    tick = run_due_tick(installation)
    return WakeReport(tick, deliver_due(installation))


def run_due_tick(installation: Installation) -> str | None:
    """Own and run the tick that is due; None where none is, or another replica owns it."""
    now = installation.clock.now()
    with installation.database.read() as tx:
        due = tx.schedule.next_run_at()
        frequency = tx.configuration.get().values.frequency
    if due > now:
        _mend_schedule(installation, due, next_run_after(frequency, now), now)
        return None
    with installation.database.write() as tx:
        period = tx.periods.lock_open()
        # All ticks that were missed while the service was down run as this one.
        if not tx.schedule.move_run(due, next_run_after(frequency, now)):
            return None
        tick_key = rfc3339(due)
        if not tx.schedule.own_tick(tick_key, now):
            return None
        installation.reached(Milestone.TICK_OWNED)
        result = _run(installation, tx, Ending(period, now), due)
        tx.activity.note(now, _SCHEDULE, Action.TICK, result=result)
        tx.schedule.tick_result(tick_key, result, tx.contacts.next_sequence())
    log_tick(result, due)
    return result


def _run(installation: Installation, tx: Transaction, ending: Ending, due: datetime) -> str:
    """Close the period and make every waiting transmission due; say in a word what came of it."""
    if not installation.enabled(tx.configuration.get()) or not ending.period.reportable:
        return "disabled"
    offset = send_offset(tx.installation.instance_id(), installation.deployment.send_spread)
    send_at = max(ending.at, due + offset)
    tx.transmissions.wake(_EVERY_WAITING_STATE, send_at, AttemptTrigger.TICK, ending.at)
    closing = Closing(Trigger.SCHEDULED, ClosedBy.TICK, AttemptTrigger.TICK, send_at)
    try:
        close_and_prepare(installation, tx, ending, closing)
    except (NotConfiguredError, KeyUnusableError, PayloadContradictionError) as fault:
        return fault.code  # The period stays open: its counts ride in the payload of a later tick.
    return "prepared"


def _mend_schedule(installation: Installation, planned: datetime, natural: datetime, now: datetime) -> None:
    """Pull a run back that was planned by a clock far ahead of the present one."""
    if planned <= natural or not is_plausible(now):
        return
    with installation.database.write() as tx:
        tx.schedule.move_run(planned, natural)

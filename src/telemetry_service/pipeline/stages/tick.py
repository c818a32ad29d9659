"""Runs the tick that is due.

The database decides: the process that moves the next run forward, and writes the tick's unique key in the same
transaction, owns the tick. Any number of replicas make one payload.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.actor import SCHEDULE
from telemetry_service.domain.clock import is_plausible, rfc3339
from telemetry_service.domain.errors import NotVerifiedYetError, PayloadContradictionError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.obstacles import KEY_UNUSABLE, SETTINGS_CHANGED, bars_payloads
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.schedule import next_run_after, send_offset
from telemetry_service.domain.situation import CONTRADICTION, NOT_CONFIGURED
from telemetry_service.domain.transmissions import NOT_WOKEN_BY_A_RUN, SENDABLE_STATES, AttemptTrigger, Trigger
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.log_lines import log_tick
from telemetry_service.pipeline.stages.prepare import Closing, close_and_prepare
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.storage.schedule import DISABLED, LastTick

_PREPARED = "prepared"


@dataclass(frozen=True, slots=True)
class WakeReport:
    """What one waking did: the tick's result, None if none was due, and the attempts made."""

    tick: str | None
    attempts: int


def wake(runtime: Runtime) -> WakeReport:
    """Run the due tick and deliver what is due, in one thread; the service has a job for each."""
    tick = run_due_tick(runtime)
    return WakeReport(tick, deliver_due(runtime))


def run_due_tick(runtime: Runtime) -> str | None:
    """Own and run the due tick; None if there is none, another replica owns it, or the sweep has to come first."""
    with suppress(NotVerifiedYetError):  # It stays due.
        return _run_due_tick(runtime)
    return None


def _run_due_tick(runtime: Runtime) -> str | None:
    now = runtime.clock.now()
    with runtime.database.read() as tx:
        due = tx.schedule.next_run_at()
        frequency = tx.configuration.get().values.frequency
        missed = _missed(Snapshot(runtime, tx, now, decides=True)) if due > now else None
    if due > now:
        _correct_schedule(runtime, due, next_run_after(frequency, now), now)
        return _run_missed(runtime, now) if missed else None
    read_up_to_now(runtime)
    with runtime.database.write() as tx:
        period = tx.periods.lock_open()
        # All ticks that were missed while the service was down are run as one.
        if not tx.schedule.move_run(due, next_run_after(frequency, now)):
            return None
        tick_key = rfc3339(due)
        if not tx.schedule.own_tick(tick_key, now, period.period_id):
            return None
        runtime.failpoint(Failpoint.TICK_OWNED)
        result = _run_and_note(Snapshot(runtime, tx, now, decides=True), tick_key)
    log_tick(result, due)
    return result


def _missed(snapshot: Snapshot) -> LastTick | None:
    """Return the latest tick, if it made no payload because something was missing that is now in place.

    Whatever was missing, and however it was set (the tab, another service, the deployment), the run is made up for at
    the next waking. If its period was closed since, by *Send Now* or the switch, there is nothing to make up for.
    """
    tick, period = snapshot.last_run, snapshot.period
    if tick is None or tick.result not in NOT_CONFIGURED or tick.period_id != period.period_id:
        return None
    barred = not period.reportable or bars_payloads(snapshot.setup)
    return None if barred else tick


def _run_missed(runtime: Runtime, now: datetime) -> str | None:
    """Own the missed tick and run it now; None if another replica has, or it is no longer missed."""
    read_up_to_now(runtime)
    with runtime.database.write() as tx:
        tx.periods.lock_open()
        missed = _missed(Snapshot(runtime, tx, now, decides=True))
        if missed is None or not tx.schedule.own_missed_tick(missed):
            return None
        runtime.failpoint(Failpoint.TICK_OWNED)
        result = _run_and_note(Snapshot(runtime, tx, now, decides=True), missed.tick_key)
    log_tick(result, missed.due_at)
    return result


def _run_and_note(snapshot: Snapshot, tick_key: str) -> str:
    tx = snapshot.tx
    result = _run(snapshot, datetime.fromisoformat(tick_key))
    if result != _PREPARED:  # Its payload has its own entry.
        tx.ledger.note(snapshot.now, SCHEDULE, Kind.TICK, {"result": result})
    tx.schedule.tick_result(tick_key, result, tx.exchanges.next_sequence())
    return result


def _run(snapshot: Snapshot, due: datetime) -> str:
    """Close the period and make every waiting transmission due; return the result as one word.

    Those that wait for a release, or for what no run can change, stay as they are.
    """
    setup = snapshot.setup
    if setup.changed:  # Not even whether telemetry is on is known. The run is made up for later.
        return (KEY_UNUSABLE if setup.api_key and not setup.api_key_usable else SETTINGS_CHANGED).code
    if not snapshot.enabled or not snapshot.period.reportable:
        return DISABLED
    now, runtime = snapshot.now, snapshot.runtime
    send_at = max(now, due + send_offset(snapshot.state.instance_id, runtime.deployment.send_spread))
    if not runtime.deployment.in_bundles:  # There, what was refused stays so until it is exported again.
        snapshot.tx.transmissions.make_due(
            SENDABLE_STATES, send_at, AttemptTrigger.TICK, now, but_for=NOT_WOKEN_BY_A_RUN
        )
    gap = bars_payloads(snapshot.setup)
    if gap is not None:
        return gap.code  # The period stays open, and this run is made up for later.
    closing = Closing(SCHEDULE, Trigger.SCHEDULED, ClosedBy.TICK, AttemptTrigger.TICK, send_at)
    try:
        # The waiting transmissions have a new plan, which affects the health in the payload.
        close_and_prepare(snapshot.after_writing(), closing)
    except PayloadContradictionError:
        return CONTRADICTION  # The period stays open: its counts are included in a later payload.
    return _PREPARED


def _correct_schedule(runtime: Runtime, planned: datetime, natural: datetime, now: datetime) -> None:
    """Move a run back that was planned by a clock far ahead of the present one."""
    if planned <= natural or not is_plausible(now):
        return
    with runtime.database.write() as tx:
        tx.schedule.move_run(planned, natural)

"""The header: the state with its cause, the next step and whose it is, and what comes next."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, PayloadContradictionError
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.pipeline.health_report import HealthReport
from telemetry_service.web.settings_tab.figures import counted
from telemetry_service.web.settings_tab.moments import Moment, optional_moment, planned
from telemetry_service.web.settings_tab.words import CONNECTED, HEALTH, Sign

_NO_RUN_WHILE_OFF = "None while telemetry is off"
_ALL_IS_WELL = "ok"
_NOTHING_WAITS = "Nothing waits to be sent"
_TICK_FAULTS = {
    fault.code: fault.sentence for fault in (NotConfiguredError, KeyUnusableError, PayloadContradictionError)
}


@dataclass(frozen=True, slots=True)
class HealthView:
    """What the header shows."""

    sign: Sign
    cause: str
    next_step: str
    whose: str | None
    """None where nobody has to do anything."""
    badge: Sign
    last_accepted: Moment | None
    next_run: Moment | None
    next_send: Moment | None
    """None where the send is not spread, so that it would only repeat the next run."""
    no_run: str
    waiting: str
    waiting_note: str
    tick_fault: str | None
    """What kept the latest run from making a payload."""


def health_view(report: HealthReport, now: datetime) -> HealthView:
    """Return the header at ``now``."""
    health = report.health
    spread = report.next_send_at is not None and report.next_send_at != report.next_run_at
    return HealthView(
        sign=HEALTH[health.status],
        cause=health.cause,
        next_step=health.next_step,
        whose=None if health.code == _ALL_IS_WELL else health.whose,
        badge=CONNECTED[health.connected],
        last_accepted=optional_moment(report.last_accepted_at, now),
        next_run=planned(report.next_run_at, now),
        next_send=planned(report.next_send_at, now) if spread else None,
        no_run=_NO_RUN_WHILE_OFF,
        waiting=counted(report.waiting, "payload"),
        waiting_note=_waiting_note(report),
        tick_fault=_TICK_FAULTS.get(report.last_tick_result or ""),
    )


def _waiting_note(report: HealthReport) -> str:
    if not report.waiting:
        return _NOTHING_WAITS
    if report.health.status is HealthStatus.DISABLED:
        return "Kept, and sent once telemetry is on again"
    return "Kept, and sent oldest first until accepted"

"""The header: the state with its cause, the next step and whose it is, and what comes next."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.owner import Owner
from telemetry_service.domain.verdict import Verdict
from telemetry_service.web.tab.filters import Moment, optional_moment, planned
from telemetry_service.web.tab.labels import CONNECTION_BADGE, HEALTH, Badge
from telemetry_service.web.tab.numbers import counted


@dataclass(frozen=True, slots=True)
class HealthView:
    """What the header shows. Every sentence of it is the decision table's."""

    sign: Badge
    cause: str
    next_step: str
    owner: Owner | None
    """None where nobody has to do anything."""
    badge: Badge
    last_accepted: Moment | None
    next_run: Moment | None
    next_run_note: str
    next_send: Moment | None
    next_send_note: str
    waiting: str
    waiting_note: str
    run_note: str | None
    """What the latest run left undone."""


def health_view(verdict: Verdict, now: datetime) -> HealthView:
    """Return the header at ``now``."""
    health = verdict.health
    return HealthView(
        sign=HEALTH[health.status],
        cause=health.cause,
        next_step=health.next_step,
        owner=None if health.owner is Owner.NOBODY else health.owner,
        badge=CONNECTION_BADGE[verdict.badge],
        last_accepted=optional_moment(verdict.situation.last_accepted_at, now),
        next_run=planned(verdict.next_run_at, now),
        next_run_note=verdict.next_run_note,
        next_send=planned(verdict.next_send_at, now),
        next_send_note=verdict.next_send_note,
        waiting=counted(verdict.situation.waiting.total, "payload"),
        waiting_note=verdict.waiting_note,
        run_note=verdict.run_note,
    )

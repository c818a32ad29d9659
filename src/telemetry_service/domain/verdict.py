"""The decision table: from the whole situation to everything that the service says about its state.

The settings tab, REST, the command line, the doctor and the metrics read a ``Verdict``. None of them writes such
sentences itself, so no two of them can contradict each other.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telemetry_service.domain import verdict_texts as texts
from telemetry_service.domain.health import Health, assess
from telemetry_service.domain.obstacles import (
    IN_BUNDLES,
    Obstacle,
    bars_attempts,
    bars_bundles,
    bars_connection,
    bars_everything,
    bars_payloads,
    bars_test,
    missing,
)
from telemetry_service.domain.release import Release
from telemetry_service.domain.situation import Situation


class ConnectionBadge(StrEnum):
    """The badge next to *License Server*."""

    CONNECTED = "connected"
    NOT_CONNECTED = "not_connected"
    NOT_CONTACTED = "not_contacted"
    NOT_CONFIGURED = "not_configured"
    IN_BUNDLES = "in_bundles"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Why something cannot be done now; None if it can."""

    send_now: Obstacle | None
    retry: Obstacle | None
    test_connection: Obstacle | None
    export_bundle: Obstacle | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about a situation."""

    situation: Situation
    health: Health
    badge: ConnectionBadge
    may: Permissions
    next_run_at: datetime | None
    """When the next period closes; null while telemetry is off."""
    next_run_note: str
    """Why there is none, or what it cannot do now; empty if it produces a payload."""
    next_send_at: datetime | None
    """When something is sent next, retries included; None if nothing is."""
    next_send_note: str
    """What is sent then, or why nothing is."""
    waiting_note: str
    run_note: str | None
    """What the latest run left undone; None if nothing."""
    switch_note: str
    """What the present position of *Enable Telemetry* does."""
    preview_note: str
    """What happens to the counts that the preview shows."""

    @property
    def connected(self) -> bool | None:
        """Whether the License Server is connected; None if no exchange shows either."""
        return {ConnectionBadge.CONNECTED: True, ConnectionBadge.NOT_CONNECTED: False}.get(self.badge)


def judge(situation: Situation) -> Verdict:
    """Return the verdict on a situation."""
    off = bars_everything(situation.setup)
    next_send_at, next_send_note = _next_send(situation)
    return Verdict(
        situation=situation,
        health=assess(situation),
        badge=connection_badge_of(situation),
        may=permissions(situation),
        next_run_at=None if off else situation.next_run_at,
        next_run_note=_next_run_note(situation),
        next_send_at=next_send_at,
        next_send_note=next_send_note,
        waiting_note=_waiting_note(situation),
        run_note=_run_note(situation),
        switch_note=_switch_note(situation),
        preview_note=_preview_note(situation),
    )


def connection_badge_of(situation: Situation) -> ConnectionBadge:
    """Return the badge: connected only while telemetry is on, a key is set and the latest exchange succeeded."""
    if bars_everything(situation.setup):
        return ConnectionBadge.OFF
    if situation.setup.in_bundles:
        return ConnectionBadge.IN_BUNDLES
    if situation.setup.unreadable:
        return ConnectionBadge.NOT_CONTACTED
    if bars_connection(situation.setup):
        return ConnectionBadge.NOT_CONFIGURED
    if situation.exchange is None:
        return ConnectionBadge.NOT_CONTACTED
    return ConnectionBadge.CONNECTED if situation.exchange.ok else ConnectionBadge.NOT_CONNECTED


def permissions(situation: Situation) -> Permissions:
    """Return what may be done."""
    setup = situation.setup
    return Permissions(bars_payloads(setup), bars_attempts(setup), bars_test(setup), bars_bundles(setup))


def _next_run_note(situation: Situation) -> str:
    if bars_everything(situation.setup):
        return texts.NONE_WHILE_OFF
    gap = bars_payloads(situation.setup)
    return texts.makes_no_payload(gap) if gap else ""


def _next_send(situation: Situation) -> tuple[datetime | None, str]:
    """Return the moment of the next send and what is sent then: the earlier of the next attempt and the next run's."""
    bar = bars_attempts(situation.setup)
    if bar is not None:
        return None, texts.nothing_sent(bar)
    waiting, run = situation.waiting, situation.run_sends_at
    if situation.must_be_released and not waiting.here:
        return waiting.awaiting_until, texts.ONCE_RELEASED
    planned = (situation.next_attempt(waiting.next_attempt_at), waiting.awaiting_until)
    again = min((at for at in planned if at is not None), default=None)
    if again is not None and again <= run:
        return again, texts.OF_WAITING
    gap = missing(situation.setup)
    if gap is not None and not situation.waiting.here:
        return None, texts.nothing_sent(gap)
    return run, texts.OF_MISSED_RUN if situation.catches_up else texts.OF_RUN


def _waiting_note(situation: Situation) -> str:
    waiting = situation.waiting
    if not waiting.total:
        return texts.NOTHING_WAITS
    if not waiting.here and not waiting.exported:
        return texts.awaits_release(waiting)
    bar = bars_attempts(situation.setup)
    if bar is not None and waiting.here:
        return texts.kept(bar)
    again = situation.next_attempt(waiting.next_attempt_at)
    return texts.waits(waiting, again, situation.now)


def _run_note(situation: Situation) -> str | None:
    run = situation.run
    if run is None:
        return None
    if run.contradicted:
        return texts.contradicted(run)
    if not run.missed:
        return None
    bar = bars_payloads(situation.setup)
    return texts.missed(run, bar)


def _switch_note(situation: Situation) -> str:
    bar = bars_payloads(situation.setup)
    return texts.switch(bar, released=situation.release.release is Release.MANUAL)


def _preview_note(situation: Situation) -> str:
    if not situation.reportable:
        return texts.NEVER_SENT
    bar = bars_payloads(situation.setup)
    if bar is not None:
        return texts.sent_later(bar)
    if situation.run is not None and situation.run.contradicted:
        return texts.CANNOT_BE_SENT
    if situation.must_be_released:
        return texts.RELEASED_FIRST
    return texts.sent_later(IN_BUNDLES) if situation.setup.in_bundles else texts.SENT_NOW

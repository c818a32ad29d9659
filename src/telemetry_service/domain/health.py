"""The health of the telemetry system: five states, each with its cause, next step and owner. The first match wins.

What cannot be read, or is not as it was signed, comes before everything; the latter is said even while telemetry is
off. The order alone decides the state (``status_of``). Its text depends on the whole situation, so that *Healthy* and
*Warning* always name whatever needs a person.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from telemetry_service.domain import health_texts as texts
from telemetry_service.domain.causes import EXPLANATIONS, PASSING, step_after
from telemetry_service.domain.health_texts import Finding
from telemetry_service.domain.obstacles import (
    RESTORED,
    Obstacle,
    bars_by_rows,
    bars_everything,
    missing,
    settings_changed,
)
from telemetry_service.domain.owner import NOTHING_TO_DO, Owner
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.source import AWAY_AFTER, LATE_AFTER
from telemetry_service.domain.source_errors import source_error

STALE_AFTER = timedelta(days=7)
OVERDUE_AFTER = timedelta(minutes=5)
"""A running service wakes every few seconds. If a run is later than this, no process is running it."""
ATTEMPT_OVERDUE_AFTER = timedelta(minutes=30)
"""Longer than for a run: after a long outage, waiting payloads are sent one after another."""


@dataclass(frozen=True, slots=True)
class Health:
    """A state with its cause, the next step and its owner."""

    status: HealthStatus
    code: str
    cause: str
    next_step: str
    owner: Owner


def assess(situation: Situation) -> Health:
    """Return the health; the first match wins."""
    status, altered = status_of(situation), tuple(_altered(situation))
    first = bars_everything(situation.setup) or bars_by_rows(situation.setup)
    if altered and first is None:
        return Health(status, altered[0].code, _joined(altered), altered[0].next_step, altered[0].owner)
    obstacle = first or missing(situation.setup)
    if obstacle is not None:
        return _barred(status, obstacle, altered)
    if status is HealthStatus.UNHEALTHY:
        return _unhealthy(situation)
    finding = _finding(situation)
    cause = f"{_opening(situation, status)} {finding.cause}".strip()
    return Health(status, finding.code, cause, finding.next_step, finding.owner)


def _barred(status: HealthStatus, obstacle: Obstacle, altered: tuple[Finding, ...]) -> Health:
    cause, step = f"{obstacle.sentence} {_joined(altered)}".strip(), obstacle.next_step
    if altered:
        step = f"{step} {altered[0].next_step}"
    return Health(status, obstacle.code, cause, step, obstacle.owner)


def _altered(situation: Situation) -> Iterator[Finding]:
    """Yield what is not as it was signed."""
    if situation.waiting.payload_changed:
        yield texts.payload_changed(situation.waiting.payload_changed)
    if situation.ledger.problems and situation.ledger.verified_at is not None:
        yield texts.ledger_broken(situation.ledger.problems, situation.ledger.verified_at)
    if situation.setup.changed:
        yield texts.barred(settings_changed(situation.setup))


def _joined(findings: tuple[Finding, ...]) -> str:
    return " ".join(finding.cause for finding in findings)


def status_of(situation: Situation) -> HealthStatus:
    """Return the state alone."""
    if bars_everything(situation.setup):
        return HealthStatus.DISABLED
    if situation.setup.unreadable or any(_altered(situation)):
        return HealthStatus.UNHEALTHY
    if missing(situation.setup):
        return HealthStatus.NOT_CONFIGURED
    if situation.exchange is not None and not situation.exchange.ok:
        return HealthStatus.UNHEALTHY
    accepted = situation.last_accepted_at
    stale = accepted is None or situation.now - accepted > STALE_AFTER
    if stale or _needs_a_decision(situation) or any(_not_proved(situation)) or any(_about_source(situation)):
        return HealthStatus.WARNING
    return HealthStatus.HEALTHY


def _needs_a_decision(situation: Situation) -> bool:
    """Whether something waits for a person although the connection works."""
    undecided = situation.new_field is not None or situation.awaits_release_too_long or situation.setup.restored
    return undecided or situation.waiting.receipt_missing > 0 or situation.receipt_unverified


PROOF_CODES = (
    "payload_changed",
    "ledger_broken",
    "settings_changed",
    "ledger_key_lost",
    "ledger_unverified",
    "receipt_missing",
    "restored",
    "new_field",
    "awaiting_release",
)
"""The codes about proof and release. The state has the code of its first finding only, so metrics have all of them."""


def of_proof(situation: Situation) -> dict[str, bool]:
    """Return for each of these codes whether it is found, whatever the state names first."""
    found = {finding.code for finding in (*_altered(situation), *_not_proved(situation), *_undecided(situation))}
    if situation.setup.restored:
        found.add(RESTORED.code)
    if not situation.awaits_release_too_long:
        found.discard("awaiting_release")  # That someone has to release it is what the deployment has chosen.
    return {code: code in found for code in PROOF_CODES}


def availability(situation: Situation) -> TelemetryAvailability:
    """Return the payload's word for whether payloads reach the License Server on schedule."""
    if situation.last_accepted_at is None:
        return TelemetryAvailability.UNAVAILABLE
    if situation.waiting.here or not on_schedule(situation):
        return TelemetryAvailability.DEGRADED
    return TelemetryAvailability.AVAILABLE


def on_schedule(situation: Situation) -> bool:
    """Whether no run is overdue, and an acceptance followed the latest run that was due."""
    if run_overdue(situation):
        return False
    return situation.run is None or situation.run.accepted_since


def run_overdue(situation: Situation) -> bool:
    """Whether a run is due and no process is running it."""
    return situation.now - situation.next_run_at > OVERDUE_AFTER


def _unhealthy(situation: Situation) -> Health:
    cause = situation.exchange.cause if situation.exchange else None
    if cause is None:
        return Health(HealthStatus.UNHEALTHY, *texts.exchange_failed())
    step, owner = step_after(cause, key_locked=situation.setup.key_locked)
    if cause in PASSING:
        step, owner = _while_passing(situation)
    return Health(HealthStatus.UNHEALTHY, cause.value, EXPLANATIONS[cause].sentence, step, owner)


def _while_passing(situation: Situation) -> tuple[str, Owner]:
    """Return the next step after a passing failure: payloads are retried automatically, tests are not repeated.

    If something else needs a person, that is the next step.
    """
    waits = _for_a_person(situation)
    if waits is not None:
        return waits.next_step, waits.owner
    again = situation.next_attempt(situation.waiting.next_attempt_at)
    if again is None:
        return texts.TEST_AGAIN
    return f"{NOTHING_TO_DO} {texts.retried(again, situation.now)}", Owner.NOBODY


def _opening(situation: Situation, status: HealthStatus) -> str:
    """Return what the state itself says, before the finding."""
    if situation.last_accepted_at is None:
        return texts.NEVER_ACCEPTED
    if status is HealthStatus.WARNING:
        return texts.last_accepted(situation.last_accepted_at, situation.now)
    return texts.ACTIVE if situation.exchange else texts.ACCEPTED


def _finding(situation: Situation) -> Finding:
    """Return the most urgent finding while the connection works; the first match wins."""
    return _for_a_person(situation) or _by_itself(situation)


def _for_a_person(situation: Situation) -> Finding | None:
    return next(_left_undone(situation), None) or _not_known_to_work(situation)


def _not_proved(situation: Situation) -> Iterator[Finding]:
    """Yield what no one can rely on, although nothing was changed."""
    if situation.ledger.key_lost:
        yield texts.LEDGER_KEY_LOST
    if situation.ledger.overdue_since is not None:
        yield texts.ledger_unverified(situation.ledger.overdue_since)
    if situation.ledger.receipts_missing:
        yield texts.receipts_unverified(situation.ledger.receipts_missing)


def _left_undone(situation: Situation) -> Iterator[Finding]:
    """Yield what does not resolve itself, the most urgent first."""
    yield from _not_proved(situation)
    waiting = situation.waiting
    if situation.setup.restored:
        yield texts.barred(RESTORED)
    if situation.run is not None and situation.run.contradicted:
        yield texts.contradiction(situation.run.due_at)
    if situation.setup.in_bundles and waiting.held + waiting.rejected:
        yield texts.refused_in_bundle(waiting.held + waiting.rejected)
    elif waiting.rejected:
        yield texts.rejected(waiting.rejected)
    elif waiting.held:
        yield texts.held(waiting.held)
    yield from _undecided(situation)
    yield from _about_source(situation)
    if run_overdue(situation):
        yield texts.not_run(situation.next_run_at)
    if situation.setup.in_bundles and waiting.planned:
        yield texts.to_export(waiting.planned)
    if waiting.exported:
        yield texts.waiting_for_receipts(waiting.exported)
    attempt = situation.next_attempt(waiting.next_attempt_at)
    if attempt is not None and situation.now - attempt > ATTEMPT_OVERDUE_AFTER:
        yield texts.not_tried(attempt)


def _undecided(situation: Situation) -> Iterator[Finding]:
    """Yield what is left to a person to decide."""
    waiting = situation.waiting
    if waiting.receipt_missing:
        yield texts.receipt_missing(waiting.receipt_missing)
    if situation.receipt_unverified:
        yield texts.RECEIPT_UNVERIFIED
    if situation.new_field is not None:
        yield texts.new_field(situation.new_field, waiting.awaiting_release)
    if waiting.awaiting_release and waiting.awaiting_since is not None:
        yield texts.awaiting_release(waiting.awaiting_release, waiting.awaiting_since, situation.now)


def _about_source(situation: Situation) -> Iterator[Finding]:
    """Yield what keeps the counts from being complete, or may make them too high."""
    state = situation.source
    if state is None:
        return
    met, now = state.obstacle, situation.now
    if met is not None and not (source_error(met.code).passing and now - met.since < AWAY_AFTER):
        yield texts.source_stopped(met)
    if state.begun is not None and state.lag(now) >= LATE_AFTER:
        yield texts.source_late(state.complete_until, now)
    if state.shared and state.shared_example is not None:
        yield texts.source_shared(state.shared, state.shared_example)


def _not_known_to_work(situation: Situation) -> Finding | None:
    run = situation.run
    if situation.waiting.planned or (run is not None and run.missed):
        return None  # Something is about to be sent, which shows more than a test would.
    if situation.setup.in_bundles:
        return None  # There is no connection to test, and the next bundle is not due at any time.
    if situation.exchange is None:
        return texts.UNTESTED
    if run is not None and not on_schedule(situation):
        return texts.overdue(run.due_at, situation.next_run_at, situation.now)
    return None


def _by_itself(situation: Situation) -> Finding:
    waiting, now = situation.waiting, situation.now
    if situation.run is not None and situation.run.missed:
        return texts.catching_up(situation.run.due_at)
    again = situation.next_attempt(waiting.next_attempt_at)
    if again is not None:
        return texts.waiting(waiting.planned, again, now)
    if status_of(situation) is HealthStatus.WARNING:
        return texts.on_schedule(situation.next_run_at, now)
    return texts.OK

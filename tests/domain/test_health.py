"""Health: the first match wins, and each state names its cause and says who can do what."""

from dataclasses import replace
from datetime import timedelta

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.health import PROOF_CODES, assess, availability, of_proof
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.situation import Run, Situation, Waiting
from telemetry_service.domain.transmissions import LastExchange
from telemetry_service.domain.verdict import ConnectionBadge, judge
from telemetry_service.domain.verification import LedgerState
from tests.support.each import each
from tests.support.situations import COMPLETE, DAY, MINUTE, NOW, situations

SECOND = timedelta(seconds=1)
GOOD = LastExchange(NOW - MINUTE, ok=True, cause=None, sequence=2)
BAD = replace(GOOD, ok=False, cause=Cause.API_KEY_NOT_ACCEPTED)
BUSY = replace(BAD, cause=Cause.BUSY)
RUN = Run(NOW - 5 * DAY, "prepared", of_open_period=False, accepted_since=True)
WELL = Situation(
    now=NOW,
    setup=COMPLETE,
    reportable=True,
    exchange=GOOD,
    last_accepted_at=NOW - 5 * DAY,
    waiting=Waiting(),
    run=RUN,
    next_run_at=NOW + 11 * DAY,
    send_offset=timedelta(0),
    longest_wait=timedelta(hours=6),
)
OFF = replace(COMPLETE, enabled=False)
CARRIED = replace(WELL, setup=replace(COMPLETE, in_bundles=True), exchange=None)
CHECKED = LedgerState(verified_at=NOW - MINUTE)
BROKEN = replace(CHECKED, problems=3)
CHANGED = Waiting(held=1, payload_changed=1)


@each(
    ("situation", "status", "code"),
    [
        (replace(WELL, setup=OFF), HealthStatus.DISABLED, "disabled"),
        (replace(WELL, setup=replace(OFF, locked=True)), HealthStatus.DISABLED, "disabled_by_deployment"),
        (replace(WELL, setup=replace(OFF, api_key=False), exchange=BAD), HealthStatus.DISABLED, "disabled"),
        (
            replace(WELL, setup=replace(COMPLETE, license_server=False), exchange=BAD),
            HealthStatus.NOT_CONFIGURED,
            "license_server_missing",
        ),
        (
            replace(WELL, setup=replace(COMPLETE, customer_id=False)),
            HealthStatus.NOT_CONFIGURED,
            "customer_id_missing",
        ),
        (replace(WELL, setup=replace(COMPLETE, api_key=False)), HealthStatus.NOT_CONFIGURED, "api_key_missing"),
        (replace(WELL, setup=replace(COMPLETE, api_key_usable=False)), HealthStatus.NOT_CONFIGURED, "api_key_unusable"),
        (replace(WELL, exchange=BAD, last_accepted_at=None), HealthStatus.UNHEALTHY, "api_key_not_accepted"),
        (replace(WELL, exchange=BAD), HealthStatus.UNHEALTHY, "api_key_not_accepted"),
        (replace(WELL, last_accepted_at=None, run=None), HealthStatus.WARNING, "on_schedule"),
        (replace(WELL, last_accepted_at=None, run=None, exchange=None), HealthStatus.WARNING, "connection_untested"),
        (replace(WELL, last_accepted_at=NOW - 7 * DAY - SECOND), HealthStatus.WARNING, "on_schedule"),
        (replace(WELL, last_accepted_at=NOW - 7 * DAY), HealthStatus.HEALTHY, "ok"),
        (WELL, HealthStatus.HEALTHY, "ok"),
        (replace(WELL, waiting=Waiting(planned=1, next_attempt_at=NOW + MINUTE)), HealthStatus.HEALTHY, "waiting"),
        (replace(WELL, waiting=Waiting(rejected=3)), HealthStatus.HEALTHY, "waiting_rejected"),
        (replace(WELL, waiting=Waiting(held=1)), HealthStatus.HEALTHY, "waiting_held"),
        (replace(WELL, waiting=Waiting(exported=1)), HealthStatus.HEALTHY, "waiting_receipts"),
        (replace(CARRIED, waiting=Waiting(held=1, planned=1)), HealthStatus.HEALTHY, "waiting_rejected"),
        (replace(CARRIED, waiting=Waiting(planned=1, exported=1)), HealthStatus.HEALTHY, "waiting_export"),
        (replace(CARRIED, last_accepted_at=None, run=None), HealthStatus.WARNING, "on_schedule"),
        (CARRIED, HealthStatus.HEALTHY, "ok"),
        (replace(WELL, next_run_at=NOW - DAY), HealthStatus.HEALTHY, "run_overdue"),
        (
            replace(WELL, waiting=Waiting(planned=1, next_attempt_at=NOW - DAY)),
            HealthStatus.HEALTHY,
            "attempt_overdue",
        ),
        (
            replace(WELL, last_accepted_at=NOW - 9 * DAY, run=replace(RUN, accepted_since=False)),
            HealthStatus.WARNING,
            "overdue",
        ),
        (replace(WELL, ledger=BROKEN), HealthStatus.UNHEALTHY, "ledger_broken"),
        (replace(WELL, ledger=BROKEN, setup=replace(COMPLETE, api_key=False)), HealthStatus.UNHEALTHY, "ledger_broken"),
        (replace(WELL, ledger=BROKEN, exchange=BAD), HealthStatus.UNHEALTHY, "ledger_broken"),
        (replace(WELL, ledger=BROKEN, waiting=CHANGED), HealthStatus.UNHEALTHY, "payload_changed"),
        (replace(WELL, ledger=BROKEN, setup=OFF), HealthStatus.DISABLED, "disabled"),
        (replace(WELL, ledger=replace(CHECKED, receipts_missing=2)), HealthStatus.WARNING, "receipt_missing"),
        (replace(WELL, ledger=replace(CHECKED, key_lost=True)), HealthStatus.WARNING, "ledger_key_lost"),
        (
            replace(WELL, ledger=replace(CHECKED, overdue_since=NOW - 2 * DAY)),
            HealthStatus.WARNING,
            "ledger_unverified",
        ),
        (replace(WELL, ledger=CHECKED), HealthStatus.HEALTHY, "ok"),
        (
            replace(WELL, run=Run(NOW - DAY, "payload-contradiction", of_open_period=True, accepted_since=False)),
            HealthStatus.HEALTHY,
            "period_contradiction",
        ),
    ],
)
def test_the_first_match_wins(situation: Situation, status: HealthStatus, code: str) -> None:
    health = assess(situation)
    assert (health.status, health.code) == (status, code)


def test_a_warning_that_the_schedule_explains_says_so() -> None:
    health = assess(replace(WELL, last_accepted_at=NOW - 9 * DAY))
    assert health.cause == (
        "The last transmission was accepted 9 days ago."
        " The next run, in 11 days (1 Dec 2026, 02:00 UTC), is on schedule."
    )
    assert health.next_step == "No action needed. To send sooner, click Send Now."
    assert health.owner is Owner.NOBODY


def test_a_warning_that_the_schedule_does_not_explain_names_the_next_step() -> None:
    health = assess(replace(WELL, last_accepted_at=NOW - 9 * DAY, run=replace(RUN, accepted_since=False)))
    assert "Overdue since 15 Nov 2026, 02:00 UTC" in health.cause
    assert health.next_step.startswith("Click Send Now")
    assert health.owner is Owner.ADMINISTRATOR


def test_rejected_payloads_are_named_beside_a_connection_that_works() -> None:
    health = assess(replace(WELL, waiting=Waiting(rejected=3)))
    assert health.cause == (
        "The connection is active, and a recent transmission was accepted. 3 payloads were rejected and are waiting."
    )
    assert health.next_step == "Check Error Details in the transmission history, then click Retry."


def test_a_failure_that_passes_promises_a_retry_only_where_one_is_planned() -> None:
    planned = replace(WELL, exchange=BUSY, waiting=Waiting(planned=1, next_attempt_at=NOW + 2 * MINUTE))
    assert assess(planned).next_step == "No action needed. The next attempt is in 2 minutes (20 Nov 2026, 02:02 UTC)."
    assert assess(replace(WELL, exchange=BUSY)).next_step.startswith("Click Test Connection again")


@each(
    ("situation", "badge", "connected"),
    [
        (WELL, ConnectionBadge.CONNECTED, True),
        (replace(WELL, exchange=BAD), ConnectionBadge.NOT_CONNECTED, False),
        (replace(WELL, exchange=None), ConnectionBadge.NOT_CONTACTED, None),
        (replace(WELL, setup=OFF), ConnectionBadge.OFF, None),
        (replace(WELL, setup=replace(COMPLETE, api_key=False)), ConnectionBadge.NOT_CONFIGURED, None),
    ],
)
def test_the_badge_says_connected_only_while_it_is_true(
    situation: Situation,
    badge: ConnectionBadge,
    connected: bool | None,  # noqa: FBT001 - what is expected
) -> None:
    verdict = judge(situation)
    assert (verdict.badge, verdict.connected) == (badge, connected)


@each(
    ("situation", "word"),
    [
        (replace(WELL, last_accepted_at=None, run=None), TelemetryAvailability.UNAVAILABLE),
        (WELL, TelemetryAvailability.AVAILABLE),
        (replace(WELL, last_accepted_at=NOW - 40 * DAY), TelemetryAvailability.AVAILABLE),
        (replace(WELL, waiting=Waiting(rejected=1)), TelemetryAvailability.DEGRADED),
        (replace(WELL, waiting=Waiting(exported=1)), TelemetryAvailability.AVAILABLE),
        (replace(CARRIED, waiting=Waiting(exported=1, planned=1)), TelemetryAvailability.DEGRADED),
        (replace(WELL, waiting=Waiting(planned=1, next_attempt_at=NOW)), TelemetryAvailability.DEGRADED),
        (replace(WELL, run=replace(RUN, accepted_since=False)), TelemetryAvailability.DEGRADED),
        (replace(WELL, run=None), TelemetryAvailability.AVAILABLE),
    ],
)
def test_availability_is_measured_against_the_schedule(situation: Situation, word: TelemetryAvailability) -> None:
    assert availability(situation) is word


def test_what_is_not_as_signed_is_a_second_sentence_while_telemetry_is_off() -> None:
    health = assess(replace(WELL, ledger=BROKEN, waiting=CHANGED, setup=OFF))
    assert health.cause.startswith(
        "Telemetry is off; nothing contacts the License Server. Someone changed the database: 1 payload"
    )
    assert "found 3 problems" in health.cause
    assert "Find out who changed the database." in health.next_step


def test_each_finding_about_the_proof_is_known_whatever_the_state_names_first() -> None:
    found: set[str] = set()
    for situation in situations():
        of_it, code = of_proof(situation), assess(situation).code
        assert of_it.get(code, True) or (code, situation.awaits_release_too_long) == ("awaiting_release", False), code
        found |= {name for name, is_found in of_it.items() if is_found}
    assert found == set(PROOF_CODES)
    everything = replace(WELL, ledger=BROKEN, waiting=CHANGED, setup=replace(OFF, changed=(ChangedRow.SETTINGS,)))
    assert {code for code, it in of_proof(everything).items() if it} == {
        "payload_changed",
        "ledger_broken",
        "settings_changed",
    }


def test_another_encryption_key_is_named_before_anyone_is_accused() -> None:
    changed = replace(COMPLETE, changed=(ChangedRow.SETTINGS,))
    assert assess(replace(WELL, setup=changed)).cause.startswith("Someone changed the database: the settings")
    health = assess(replace(WELL, setup=replace(changed, api_key_usable=False)))
    assert health.code == "settings_changed"
    assert health.cause.startswith("ENCRYPTION_KEY does not verify the settings: it is another key")
    assert health.next_step.startswith("Check ENCRYPTION_KEY in the deployment.")


def test_a_key_that_the_deployment_sets_is_changed_in_the_deployment() -> None:
    told = assess(replace(WELL, exchange=BAD, setup=replace(COMPLETE, key_locked=True)))
    assert (told.code, told.owner) == (Cause.API_KEY_NOT_ACCEPTED, Owner.DEPLOYMENT)
    assert "TELEMETRY_API_KEY" in told.next_step

"""Health: the first match wins, and each state names its cause and says who can do what (behaviour, 7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from telemetry_service.domain.health import Setup, assess, availability
from telemetry_service.domain.outcome import Cause
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.transmissions import Contact, DeliveryRecord

NOW = datetime(2026, 11, 15, 2, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)
COMPLETE = Setup(enabled=True, locked=False, api_key=True, api_key_usable=True, license_server=True, customer_id=True)
GOOD = Contact(NOW - timedelta(hours=1), ok=True, cause=None, sequence=2)
BAD = Contact(NOW - timedelta(hours=1), ok=False, cause=Cause.API_KEY_NOT_ACCEPTED, sequence=2)
WELL = DeliveryRecord(0, GOOD, None, GOOD.at)
ILL = DeliveryRecord(2, BAD, None, None)


@pytest.mark.parametrize(
    ("setup", "record", "status", "code"),
    [
        (replace(COMPLETE, enabled=False), WELL, HealthStatus.DISABLED, "disabled"),
        (replace(COMPLETE, enabled=False, locked=True), WELL, HealthStatus.DISABLED, "disabled_by_deployment"),
        (replace(COMPLETE, enabled=False, api_key=False), ILL, HealthStatus.DISABLED, "disabled"),
        (replace(COMPLETE, license_server=False), ILL, HealthStatus.NOT_CONFIGURED, "license_server_missing"),
        (replace(COMPLETE, customer_id=False), ILL, HealthStatus.NOT_CONFIGURED, "customer_id_missing"),
        (replace(COMPLETE, api_key=False), ILL, HealthStatus.NOT_CONFIGURED, "api_key_missing"),
        (replace(COMPLETE, api_key_usable=False), ILL, HealthStatus.NOT_CONFIGURED, "api_key_unusable"),
        (COMPLETE, ILL, HealthStatus.UNHEALTHY, "api_key_not_accepted"),
        (COMPLETE, replace(WELL, last_attempt=BAD), HealthStatus.UNHEALTHY, "api_key_not_accepted"),
        (COMPLETE, replace(WELL, last_test=replace(BAD, sequence=3)), HealthStatus.UNHEALTHY, "api_key_not_accepted"),
        (COMPLETE, replace(ILL, last_test=replace(GOOD, sequence=3)), HealthStatus.WARNING, "never_accepted"),
        (COMPLETE, DeliveryRecord(0, None, None, None), HealthStatus.WARNING, "never_accepted"),
        (COMPLETE, replace(WELL, last_accepted_at=NOW - WEEK - SECOND), HealthStatus.WARNING, "last_success_too_old"),
        (COMPLETE, replace(WELL, last_accepted_at=NOW - WEEK), HealthStatus.HEALTHY, "ok"),
        (COMPLETE, WELL, HealthStatus.HEALTHY, "ok"),
        (COMPLETE, replace(WELL, waiting=1), HealthStatus.HEALTHY, "ok_waiting"),
    ],
)
def test_the_first_match_wins(setup: Setup, record: DeliveryRecord, status: HealthStatus, code: str) -> None:
    health = assess(setup, record, NOW)
    assert (health.status, health.code) == (status, code)
    assert health.cause.endswith(".")
    assert health.next_step.endswith(".")
    assert health.whose


@pytest.mark.parametrize(
    ("record", "connected"),
    [
        (DeliveryRecord(0, None, None, None), None),
        (WELL, True),
        (ILL, False),
        (replace(ILL, last_test=replace(GOOD, sequence=3)), True),
    ],
)
def test_the_badge_follows_the_latest_contact(record: DeliveryRecord, connected: bool | None) -> None:  # noqa: FBT001
    assert assess(COMPLETE, record, NOW).connected is connected
    assert assess(replace(COMPLETE, enabled=False), record, NOW).connected is connected


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (DeliveryRecord(0, None, None, None), TelemetryAvailability.UNAVAILABLE),
        (ILL, TelemetryAvailability.UNAVAILABLE),
        (WELL, TelemetryAvailability.AVAILABLE),
        (replace(WELL, waiting=1), TelemetryAvailability.DEGRADED),
        (replace(WELL, last_accepted_at=NOW - WEEK), TelemetryAvailability.AVAILABLE),
        (replace(WELL, last_accepted_at=NOW - WEEK - SECOND), TelemetryAvailability.DEGRADED),
    ],
)
def test_availability_says_whether_payloads_reach_the_license_server(
    record: DeliveryRecord, word: TelemetryAvailability
) -> None:
    assert availability(record, NOW) is word

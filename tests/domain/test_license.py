"""What the payload says of the license."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.license import NO_POSTURE, Window, metrics, whole_days_until
from telemetry_service.domain.payload import LicenseMetrics, LicenseStatus, Tier
from telemetry_service.domain.transmissions import DeliveryRecord, LastExchange
from tests.support.each import each

NOW = datetime(2026, 11, 15, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
WINDOW = Window(NOW - 14 * DAY, NOW)
NOTHING = DeliveryRecord(None, None, None)


def posture(**moments: datetime | None) -> LicensePosture:
    known = LicensePosture(tier=Tier.STARTER, license_status=LicenseStatus.ACTIVE)
    return known.model_copy(update=moments)


@each(
    ("expires_at", "days"),
    [
        (None, None),
        (NOW, 0),
        (NOW + DAY - SECOND, 0),
        (NOW + DAY, 1),
        (NOW - SECOND, -1),
        (NOW - DAY, -1),
        (NOW - DAY - SECOND, -2),
        (NOW + 112 * DAY, 112),
    ],
)
def test_the_days_that_remain_are_whole_days_and_negative_once_past(expires_at: datetime | None, days: int) -> None:
    assert whole_days_until(expires_at, NOW) == days


def test_before_anything_is_reported_nothing_is_claimed() -> None:
    assert metrics(NO_POSTURE, NOTHING, WINDOW) == LicenseMetrics(
        license_token_connected=False,
        license_token_expired=False,
        license_token_refreshed=False,
        license_token_age_days=None,
        license_token_expires_in_days=None,
        telemetry_last_attempt_ok=None,
        telemetry_last_success_age_hours=None,
    )


def test_a_token_has_an_age_since_it_was_issued_or_last_refreshed() -> None:
    issued = metrics(posture(token_issued_at=NOW - 6 * DAY), NOTHING, WINDOW)
    assert (issued.license_token_connected, issued.license_token_age_days) == (True, 6)
    refreshed = metrics(posture(token_issued_at=NOW - 60 * DAY, token_refreshed_at=NOW - 2 * DAY), NOTHING, WINDOW)
    assert refreshed.license_token_age_days == 2
    assert metrics(posture(token_issued_at=NOW + DAY), NOTHING, WINDOW).license_token_age_days == 0


@pytest.mark.parametrize(
    ("at", "refreshed"),
    [
        (WINDOW.opened_at - SECOND, False),
        (WINDOW.opened_at, True),
        (NOW, True),
        (NOW + SECOND, False),
    ],
)
def test_a_token_counts_as_refreshed_only_within_the_period(at: datetime, refreshed: bool) -> None:  # noqa: FBT001
    assert metrics(posture(token_refreshed_at=at), NOTHING, WINDOW).license_token_refreshed is refreshed


@pytest.mark.parametrize(("at", "expired", "days"), [(NOW, True, 0), (NOW + SECOND, False, 0), (NOW - DAY, True, -1)])
def test_a_token_expires_at_its_moment(at: datetime, expired: bool, days: int) -> None:  # noqa: FBT001
    found = metrics(posture(token_expires_at=at), NOTHING, WINDOW)
    assert (found.license_token_expired, found.license_token_expires_in_days) == (expired, days)


def test_the_latest_attempt_and_the_age_of_the_latest_success_are_reported() -> None:
    attempt = LastExchange(NOW, ok=False, cause=None, sequence=1)
    record = DeliveryRecord(attempt, None, NOW - timedelta(hours=336, minutes=59))
    found = metrics(NO_POSTURE, record, WINDOW)
    assert (found.telemetry_last_attempt_ok, found.telemetry_last_success_age_hours) == (False, 336)
    ahead = DeliveryRecord(attempt, None, NOW + DAY)
    assert metrics(NO_POSTURE, ahead, WINDOW).telemetry_last_success_age_hours == 0


moments = st.none() | st.timedeltas(-400 * DAY, 400 * DAY).map(lambda distance: NOW + distance)


@given(moments, moments, moments)
def test_what_is_said_of_the_token_is_coherent_whatever_is_known_of_it(
    issued: datetime | None, refreshed: datetime | None, expires: datetime | None
) -> None:
    known = posture(token_issued_at=issued, token_refreshed_at=refreshed, token_expires_at=expires)
    found = metrics(known, NOTHING, WINDOW)
    assert found.license_token_connected == any((issued, refreshed, expires))
    if not found.license_token_connected:
        assert not found.license_token_expired
        assert not found.license_token_refreshed
    assert (found.license_token_expires_in_days is None) == (expires is None)
    assert (found.license_token_age_days is None) == (issued is None and refreshed is None)
    if found.license_token_expires_in_days is not None:
        assert found.license_token_expired == (expires is not None and expires <= NOW)
        assert found.license_token_expired or found.license_token_expires_in_days >= 0


def test_a_token_of_which_only_the_expiry_is_known_is_a_token() -> None:
    found = metrics(posture(token_expires_at=NOW - DAY), NOTHING, WINDOW)
    assert (found.license_token_connected, found.license_token_expired) == (True, True)

"""A sequence, never a clock, shows which exchange and which tick is the latest."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from telemetry_service.domain.payload import HealthStatus
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import remove_api_key, set_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.identity import key_id
from tests.support.actors import ADMIN
from tests.support.license_server import API_KEY, CUSTOMER, Trouble, reply
from tests.support.site import Site

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEAR = 365 * DAY


def fail_to_send(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(503)))
    send_now(site.runtime, ADMIN, None)
    site.server.trouble()


def fail_the_check(site: Site) -> None:
    site.server.store.revoke_key(key_id(API_KEY))
    check_connection(site.runtime, ADMIN)
    site.server.store.add_key(API_KEY, CUSTOMER, restore=True)


def send_well(site: Site) -> None:
    send_now(site.runtime, ADMIN, None)


def check_well(site: Site) -> None:
    assert check_connection(site.runtime, ADMIN).ok


@pytest.mark.parametrize("ahead", [HOUR, DAY, YEAR], ids=["an hour", "a day", "a year"])
@pytest.mark.parametrize("failed", [fail_to_send, fail_the_check])
@pytest.mark.parametrize("mended", [send_well, check_well])
def test_what_went_wrong_under_a_clock_that_was_ahead_does_not_outlive_what_went_well_later(
    site: Site, ahead: timedelta, failed: Callable[[Site], None], mended: Callable[[Site], None]
) -> None:
    send_well(site)
    right = site.clock.now()
    site.clock.set(right + ahead)
    failed(site)
    assert read_now(site.runtime, read_health).health.status is HealthStatus.UNHEALTHY
    site.clock.set(right)
    mended(site)
    report = read_now(site.runtime, read_health)
    assert report.verdict.connected is True
    assert report.health.status is HealthStatus.HEALTHY
    send_well(site)
    assert site.server.payloads()[-1].health_status is HealthStatus.HEALTHY


def test_what_went_well_under_a_clock_that_was_ahead_does_not_hide_what_goes_wrong_now(site: Site) -> None:
    right = site.clock.now()
    site.clock.set(right + YEAR)
    check_well(site)
    site.clock.set(right)
    fail_to_send(site)
    assert read_now(site.runtime, read_health).health.status is HealthStatus.UNHEALTHY


def test_the_result_of_the_latest_tick_is_shown_although_an_earlier_one_ran_under_a_clock_that_was_ahead(
    site: Site,
) -> None:
    right = site.clock.now()
    remove_api_key(site.runtime, ADMIN)
    site.clock.set(right + YEAR)
    site.tick()
    assert read_now(site.runtime, read_health).last_tick_result == "api_key_missing"
    set_api_key(site.runtime, API_KEY, ADMIN)
    site.clock.set(right)
    assert wake(site.runtime).tick == "prepared", "the plan is pulled back, and the missed run made up for"
    assert site.tick().tick == "prepared", "the clock that was ahead has run it, and its day has come only now"
    assert read_now(site.runtime, read_health).last_tick_result == "prepared"


def test_attempts_tests_and_ticks_stand_in_one_order(site: Site) -> None:
    check_well(site)
    site.tick()
    fail_to_send(site)
    with site.runtime.database.read() as tx:
        record, tick = tx.exchanges.record(), tx.schedule.last_tick()
    assert record.last_test is not None
    assert record.last_attempt is not None
    assert record.accepted_sequence is not None
    assert tick is not None
    assert record.last_test.sequence < tick.sequence < record.accepted_sequence < record.last_attempt.sequence


def test_an_acceptance_under_a_clock_that_was_ahead_grows_old_like_any_other(site: Site) -> None:
    right = site.clock.now()
    site.clock.set(right + YEAR)
    send_well(site)
    site.clock.set(right)
    check_well(site)
    assert read_now(site.runtime, read_health).health.status is HealthStatus.HEALTHY
    assert read_now(site.runtime, read_health).last_accepted_at == right
    site.clock.advance(days=8)
    health = read_now(site.runtime, read_health).health
    assert health.status is HealthStatus.WARNING

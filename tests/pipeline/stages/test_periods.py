"""There is always exactly one open period, and every acknowledged report is in exactly one."""

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import PayloadContradictionError, SettingLockedError, TelemetryDisabledError
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.facts import read_license
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.tick import run_due_tick, wake
from tests.support.actors import ADMIN
from tests.support.license_server import Trouble, reply
from tests.support.reckoning import Amount, reckon
from tests.support.site import Replica, Site, usage


def periods(site: Site) -> list[tuple[str | None, bool]]:
    """Return what closed each period, and whether it is reported, oldest first."""
    engine = create_engine(site.replica.database_url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT closed_by, reportable FROM reporting_periods ORDER BY id")).all()
    finally:
        engine.dispose()
    return [(row[0], bool(row[1])) for row in rows]


def test_a_tick_closes_the_period_and_opens_the_next(site: Site) -> None:
    site.report(usage(4))
    site.tick()
    site.report(usage(5))
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert (reckoning.accepted.events, reckoning.open.events) == (4, 5)
    assert periods(site) == [(ClosedBy.TICK.value, True), (None, True)]


def test_send_now_closes_the_period_and_opens_the_next(site: Site) -> None:
    site.report(usage(4))
    send_now(site.runtime, ADMIN, None)
    assert periods(site) == [(ClosedBy.SEND_NOW.value, True), (None, True)]


def test_periods_follow_each_other_without_a_gap(site: Site) -> None:
    for _ in range(3):
        site.clock.advance(hours=1)
        send_now(site.runtime, ADMIN, None)
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT opened_at, closed_at FROM reporting_periods ORDER BY id")).all()
    engine.dispose()
    assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]]


def test_switching_off_closes_the_open_period_and_its_counts_never_leave(site: Site) -> None:
    site.report(usage(4, 2, 1))
    site.configure(enabled=False)
    site.configure(enabled=True)
    site.report(usage(1))
    site.tick()
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert reckoning.not_reported == Amount(4, 2, 1)
    assert [payload.total_events for payload in site.server.payloads()] == [1]


def test_what_was_counted_while_telemetry_was_off_never_leaves(site: Site) -> None:
    site.configure(enabled=False)
    site.report(usage(4))
    site.clock.advance(days=40)
    wake(site.runtime)
    site.configure(enabled=True)
    site.tick()
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert (reckoning.not_reported.events, reckoning.accepted.events) == (4, 0)
    assert periods(site)[-3:] == [("switched_on", False), ("tick", True), (None, True)]


def test_saving_something_else_leaves_the_period_open(site: Site) -> None:
    site.report(usage(4))
    site.configure(retention_days=90)
    assert periods(site) == [(None, True)]


def test_while_telemetry_is_off_nothing_contacts_the_license_server(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(503)))
    waiting = send_now(site.runtime, ADMIN, None).transmission.transmission_id
    site.configure(enabled=False)
    before = site.server.server.connections
    site.clock.advance(days=40)
    wake(site.runtime)
    deliver_due(site.runtime)
    for refused in (
        lambda: send_now(site.runtime, ADMIN, None),
        lambda: retry(site.runtime, waiting, ADMIN),
        lambda: retry_failed(site.runtime, ADMIN),
        lambda: check_connection(site.runtime, ADMIN),
        lambda: check_connection(site.runtime, ADMIN, "another-key-0123456789"),
    ):
        with pytest.raises(TelemetryDisabledError):
            refused()
    assert site.server.server.connections == before


def test_a_transmission_that_was_waiting_goes_out_once_telemetry_is_on_again(site: Site) -> None:
    site.report(usage(4))
    site.server.trouble(Trouble(before=reply(503)))
    send_now(site.runtime, ADMIN, None)
    site.configure(enabled=False)
    site.server.trouble()
    site.clock.advance(days=1)
    site.configure(enabled=True)
    wake(site.runtime)
    assert [payload.total_events for payload in site.server.payloads()] == [4]


def test_a_tick_that_fell_due_while_telemetry_was_off_is_not_caught_up(site: Site) -> None:
    site.configure(enabled=False)
    site.clock.advance(days=40)
    site.configure(enabled=True)
    assert wake(site.runtime).tick is None
    assert site.next_run_at() > site.clock.now()


def test_the_preview_works_while_telemetry_is_off_and_says_so(site: Site) -> None:
    site.configure(enabled=False)
    site.report(usage(4))
    preview = read_now(site.runtime, build_preview)
    assert (preview.enabled, preview.counts.total_events) == (False, 4)
    assert preview.payload is not None
    assert preview.payload["health_status"] == "disabled"


def test_feature_gating_is_not_active_while_telemetry_is_off(site: Site) -> None:
    assert read_now(site.runtime, read_license).feature_gating_active
    site.configure(enabled=False)
    assert not read_now(site.runtime, read_license).feature_gating_active


def locked(site: Site) -> Replica:
    """The same deployment with TELEMETRY_ENABLED=false."""
    return Replica(site.replica.database_url, site.replica.base_url, site.replica.ca_file, enabled=False)


def test_a_deployment_that_switches_telemetry_off_closes_the_open_period_at_its_start(site: Site) -> None:
    site.report(usage(4))
    restarted = site.open(replica=locked(site))
    assert periods(site) == [("switched_off", True), (None, False)]
    assert reckon(site.replica.database_url, ()).not_reported.events == 4
    with pytest.raises(TelemetryDisabledError):
        send_now(restarted, ADMIN, None)
    assert read_now(restarted, read_health).health.code == "disabled_by_deployment"


def test_a_replica_that_was_not_restarted_yet_sends_nothing_of_a_period_that_is_not_reported(site: Site) -> None:
    """The deployment is being switched off replica by replica: the period that the first one opened never leaves."""
    site.open(replica=locked(site))
    site.report(usage(4))
    site.clock.set(site.next_run_at())
    assert run_due_tick(site.runtime) == "disabled"
    with pytest.raises(TelemetryDisabledError):
        send_now(site.runtime, ADMIN, None)
    assert site.server.server.requests == []
    assert reckon(site.replica.database_url, ()).open.events == 4


def test_a_replica_that_is_turned_off_sends_nothing_of_a_period_that_another_one_would_report(site: Site) -> None:
    off = site.open(replica=locked(site))
    start(site.runtime)
    site.report(usage(4))
    site.clock.set(site.next_run_at())
    with pytest.raises(TelemetryDisabledError):
        send_now(off, ADMIN, None)
    assert run_due_tick(off) == "disabled"
    assert site.server.server.requests == []
    assert reckon(site.replica.database_url, ()).open.events == 4


def test_what_a_deployment_has_switched_off_cannot_be_switched_on(site: Site) -> None:
    site.configure(enabled=False)
    site.runtime = site.open(replica=locked(site))
    with pytest.raises(SettingLockedError):
        site.configure(enabled=True)


def test_a_second_start_changes_nothing(site: Site) -> None:
    site.report(usage(4))
    start(site.runtime)
    assert periods(site) == [(None, True)]


def test_a_payload_whose_numbers_contradict_each_other_is_not_sent_and_the_period_stays_open(site: Site) -> None:
    site.report(usage(4, decisions=1, successful=2))
    with pytest.raises(PayloadContradictionError):
        send_now(site.runtime, ADMIN, None)
    assert site.tick().tick == "payload-contradiction"
    assert periods(site) == [(None, True)]
    assert read_now(site.runtime, read_health).last_tick_result == "payload-contradiction"
    assert isinstance(read_now(site.runtime, build_preview).error, PayloadContradictionError)
    assert site.server.journal() == ()


def test_a_period_that_could_not_be_sent_rides_in_the_payload_of_a_later_tick(site: Site) -> None:
    site.report(usage(4, decisions=1, successful=2))
    site.tick()
    site.report(usage(1, decisions=1))
    site.tick()
    (payload,) = site.server.payloads()
    assert (payload.total_events, payload.policy_decision_count, payload.successful_decisions) == (5, 2, 2)


def test_a_tick_without_a_license_server_leaves_the_period_open_and_says_why(site: Site) -> None:
    bare = Replica(site.replica.database_url, None, None)
    site.report(usage(4))
    site.clock.set(site.next_run_at())
    assert wake(site.open(replica=bare)).tick == "license_server_missing"
    assert reckon(site.replica.database_url, ()).open.events == 4


def test_a_period_without_usage_is_sent_all_the_same(site: Site) -> None:
    site.tick()
    (payload,) = site.server.payloads()
    assert payload.total_events == 0


def test_the_date_of_a_payload_is_the_utc_date_of_the_periods_end(site: Site) -> None:
    site.clock.set(site.next_run_at() - timedelta(hours=2, seconds=1))
    send_now(site.runtime, ADMIN, None)
    site.tick()
    assert [payload.date for payload in site.server.payloads()] == ["2026-11-14", "2026-11-15"]

"""Each alert fires for its failure, and all are silent through a month in which nothing fails."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from starlette.requests import Request

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.errors import PeriodFullError
from telemetry_service.domain.health import PROOF_CODES
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event, log_exception
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.heartbeat import Heartbeat, HeartbeatLimits
from telemetry_service.sealing.ledger_key import LedgerKey
from telemetry_service.web.api.usage import post_usage
from telemetry_service.web.errors.log_lines import note_route
from telemetry_service.web.errors.problem import note_problem, problem_of
from telemetry_service.web.http.middleware import new_request_id
from telemetry_service.web.metrics.names import Name
from tests.support.actors import ADMIN
from tests.support.databases import on_sqlite
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.prometheus import NEEDS_PROMETHEUS, Prometheus
from tests.support.scrapes import ALERTS, STEP_SECONDS, Scrapes, alert_names, needs_promtool, promtool, rules
from tests.support.site import Site, usage
from tests.support.site_fixtures import clock, server
from tests.support.source import AuditTable, decision
from tests.support.source_fixtures import audit, site

__all__ = ["audit", "clock", "on_sqlite", "server", "site"]

pytestmark = needs_promtool

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
DAY = 24


@dataclass
class World:
    """A site, its License Server, and what Prometheus sees of it."""

    site: Site
    server: LicenseServer
    audit: AuditTable
    scrapes: Scrapes

    def execute(self, statement: str) -> None:
        """Change the database past the service."""
        engine = create_engine(self.site.replica.database_url)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def send(self) -> None:
        """Send what is counted."""
        self.site.report(usage())
        send_now(self.scrapes.runtime, ADMIN, None)

    def meet(self, status: int) -> None:
        """Let the License Server respond with ``status``, and prepare a payload."""
        self.server.trouble(Trouble(before=reply(status)))
        self.send()


def _down(world: World) -> None:
    world.site.clock.advance(hours=1)
    world.scrapes.scrape(up=False)


def _database_down(world: World) -> None:
    file = Path(world.site.replica.database_url.removeprefix("sqlite:///"))
    file.rename(file.with_suffix(".lost"))
    world.scrapes.let_pass(1, wakes=False, sweeps=False)


def _not_writable(world: World) -> None:
    world.execute("DROP TABLE process_heartbeats")
    heartbeat = Heartbeat(world.site.runtime, HeartbeatLimits(stale_after=0))
    heartbeat.begin()
    world.scrapes.see_readiness(heartbeat.readiness)
    world.scrapes.let_pass(1, wakes=False)


def _never_wakes(world: World) -> None:
    world.scrapes.see_readiness(Heartbeat(world.site.runtime).readiness)
    world.scrapes.let_pass(1, wakes=False)


def _misses_a_run(world: World) -> None:
    hours = (world.site.next_run_at() - world.site.clock.now()) // timedelta(hours=1)
    world.scrapes.let_pass(hours + 8, every=4, wakes=False)


def _waits_for_a_day(world: World) -> None:
    world.meet(503)
    world.scrapes.let_pass(DAY + 4, every=4)


def _is_unhealthy(world: World) -> None:
    world.meet(401)
    world.scrapes.let_pass(3)


def _is_rejected(world: World) -> None:
    world.meet(422)
    world.scrapes.let_pass(1)


def _has_a_wrong_clock(world: World) -> None:
    world.site.clock.advance(hours=1)
    world.scrapes.scrape(clock_ahead=61)


def _ledger_is_changed(world: World) -> None:
    world.send()
    world.execute("UPDATE telemetry_transmission_logs SET created_at = '2020-01-01 00:00:00.000000'")
    world.scrapes.let_pass(DAY + 4, every=4)


def _is_not_verified(world: World) -> None:
    world.scrapes.let_pass(1)
    world.scrapes.let_pass(2 * DAY + 4, every=4, sweeps=False)


def _has_no_receipt(world: World, *, required: bool = False) -> None:
    public_key = to_base64url(LedgerKey.generate().public_key).decode()
    replica = replace(world.site.replica, public_key=public_key, require_receipt=required)
    runtime = world.site.open(replica=replica)
    world.scrapes.runtime = runtime
    world.site.runtime = runtime
    world.send()
    world.scrapes.let_pass(1)


def _needs_a_decision(world: World) -> None:
    _has_no_receipt(world, required=True)
    world.scrapes.let_pass(1)


def _view_is_gone(world: World) -> None:
    world.audit.run("DROP VIEW telemetry_source_events")
    world.scrapes.let_pass(1)


def _view_is_not_read(world: World) -> None:
    world.scrapes.let_pass(2, wakes=False)


def _counts_twice(world: World) -> None:
    world.audit.write(decision(), at=world.site.clock.now())
    world.site.report(usage(1, bouncer="bnc-1"))
    world.scrapes.let_pass(3)


def _disk_is_full(world: World) -> None:
    world.scrapes.fixed[Name.DISK_FREE] = 499e6
    world.scrapes.let_pass(1)


def _reports_are_refused(world: World) -> None:
    """A reporter repeats what was refused every five minutes; that it does so in each quarter of an hour is enough."""
    world.scrapes.goes_on["telemetry_http_problems_total"] = 1
    for _ in range(3):
        for _ in range(4):
            _a_report_is_refused(world)
        world.scrapes.let_pass(1)


def _a_report_is_refused(world: World) -> None:
    request = Request({"type": "http", "state": {}, "endpoint": post_usage, "headers": []})
    note_route(request)
    note_problem(request, problem_of(PeriodFullError(())))
    world.scrapes.metrics.requests.add(request.scope, 409, 0.1)


def _logins_fail(world: World) -> None:
    for _ in range(51):
        log_event(Event.LOGIN_FAILED, failures=1)
    world.scrapes.let_pass(1)


def _has_an_error(world: World) -> None:
    log_exception(ValueError(new_request_id()), "waking")
    world.scrapes.let_pass(1)


FAILURES: dict[Callable[[World], None], set[str]] = {
    _down: {"TelemetryDown"},
    _database_down: {"TelemetryDatabaseDown"},
    _not_writable: {"TelemetryDatabaseNotWritable"},
    _never_wakes: {"TelemetryWakingStopped"},
    _misses_a_run: {"TelemetryScheduleOverdue"},
    _waits_for_a_day: {"TelemetryDeliveryOverdue"},
    _is_unhealthy: {"TelemetryUnhealthy"},
    _is_rejected: {"TelemetryRejected"},
    _has_a_wrong_clock: {"TelemetryClockWrong"},
    _ledger_is_changed: {"TelemetryLedgerBroken"},
    _is_not_verified: {"TelemetryLedgerNotVerified"},
    _has_no_receipt: {"TelemetryReceiptsUnverified"},
    _needs_a_decision: {"TelemetryDecisionNeeded"},
    _view_is_gone: {"TelemetrySourceStopped"},
    _view_is_not_read: {"TelemetrySourceLate"},
    _counts_twice: {"TelemetrySourceShared"},
    _disk_is_full: {"TelemetryDiskNearlyFull"},
    _reports_are_refused: {"TelemetryUsageRefused"},
    _logins_fail: {"TelemetryLoginsFailing"},
    _has_an_error: {"TelemetryInternalErrors"},
}


@pytest.fixture
def world(site: Site, server: LicenseServer, audit: AuditTable) -> Iterator[World]:
    """A site that has been working for four hours."""
    scrapes = Scrapes(site.runtime, site.clock)
    scrapes.let_pass(4, every=4)
    yield World(site, server, audit, scrapes)
    scrapes.close()


def test_the_rules_are_valid_and_each_has_its_failure() -> None:
    checked, output = promtool("check", "rules", str(ALERTS))
    assert checked == 0, output
    assert set().union(*FAILURES.values()) == alert_names()
    assert set(re.findall(r"^\| `(Telemetry\w+)` \|", PAGE.read_text(), re.MULTILINE)) == alert_names()


def test_each_finding_that_is_a_metric_has_an_alert() -> None:
    assert {code for code in PROOF_CODES if code not in ALERTS.read_text()} == {"ledger_unverified"}
    assert "telemetry_ledger_verified_timestamp_seconds" in ALERTS.read_text(), "which says that earlier"


@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__.strip("_"))
def test_an_alert_fires_for_its_failure(world: World, tmp_path: Path, fail: Callable[[World], None]) -> None:
    assert world.scrapes.firing(tmp_path) == set()
    fail(world)
    assert world.scrapes.firing(tmp_path) >= FAILURES[fail]


def test_a_report_that_is_refused_now_and_then_is_no_alarm(world: World, tmp_path: Path) -> None:
    for _ in range(4):
        _a_report_is_refused(world)
        world.scrapes.let_pass(1)
    assert world.scrapes.firing(tmp_path) == set()


@NEEDS_PROMETHEUS
def test_no_alert_fires_in_a_month_without_a_failure(world: World, tmp_path: Path) -> None:
    for _ in range(31):
        world.site.report(usage(1))
        world.audit.write(decision(), at=world.site.clock.now())
        world.scrapes.let_pass(DAY, every=4)
    assert len(world.server.journal()) == 2, "the schedule has sent, so the month was a real one"
    assert sum(payload.total_events for payload in world.server.payloads()) > 31, "and the source was read"
    assert world.scrapes.firing(tmp_path) == set()
    _assert_that_a_prometheus_with_this_month_sees_the_same(world, tmp_path)


def _assert_that_a_prometheus_with_this_month_sees_the_same(world: World, folder: Path) -> None:
    """No rule holds at any moment. A server evaluates alerts only in the present, so each rule is asked for."""
    start, end = world.scrapes.remember(folder)
    with Prometheus(folder, [], "no token") as prometheus:
        prometheus.wait_for("vector(1)")
        asked = {rule["alert"]: rule["expr"] for rule in rules()} | {"": 'telemetry_health{status="warning"} == 1'}
        held = {name: prometheus.moments(rule, start, end, STEP_SECONDS) for name, rule in asked.items()}
    warned = held.pop("") * STEP_SECONDS
    assert warned > timedelta(days=5).total_seconds(), "the month is there: its health warns in the days before a run"
    assert held == dict.fromkeys(alert_names(), 0)

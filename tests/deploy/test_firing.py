"""A real Prometheus scrapes real services; each alert is silent before its failure, and fires for it.

The services are whole ones on their real server. A failure is made as it happens: a time in which nothing wakes, a
License Server that refuses, a database that is locked, damaged, lost, or changed.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline import heartbeat
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.sealing.ledger_key import LedgerKey
from tests.support.connected import connected_service, connection_to
from tests.support.databases import RunDatabases
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.prometheus import NEEDS_PROMETHEUS, Prometheus
from tests.support.real_clock import RealClock
from tests.support.running import Running
from tests.support.scrapes import alert_names
from tests.support.source import AuditTable, decision, sqlite_audit_table
from tests.web.api.test_facts import report, send

pytestmark = [NEEDS_PROMETHEUS, pytest.mark.waits]

_TOKEN = "a-token-of-the-test-0123456789-abcdefgh"
_OF_ANOTHER_SERVER = {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": to_base64url(LedgerKey.generate().public_key).decode()}
_PATIENCE_SECONDS = 60
_SILENT_SCRAPES = 3
_YESTERDAY = timedelta(hours=25)

_OF_THE_PROCESS = {"TelemetryLoginsFailing", "TelemetryInternalErrors"}
"""They count lines of the log, which the services of a test share, because they share a process."""


@dataclass
class World:
    """A running service and what is around it."""

    running: Running
    server: LicenseServer
    audit: AuditTable
    patches: pytest.MonkeyPatch
    ends: ExitStack

    @property
    def file(self) -> Path:
        return Path(self.running.database_url.removeprefix("sqlite:///"))

    def send(self, status: int | None = None) -> None:
        """Send what is counted; the License Server responds with ``status``, or accepts it."""
        self.server.trouble(Trouble(before=reply(status)) if status else Trouble())
        send(self.running, report())
        assert self.running.call(Scope.ADMIN, "POST", "telemetry/send-now").is_success
        self.server.trouble()

    def wake(self) -> None:
        """Do what the schedule does, apart from sending."""
        runtime = self.running.context.runtime
        read_up_to_now(runtime)
        sweep(runtime, timedelta(0))

    def execute(self, statement: str) -> None:
        """Change the database past the service."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement)


Fail = Callable[[World], None]


def _goes_on(_world: World) -> None:
    """Nothing fails."""


def _stops(world: World) -> None:
    world.ends.close()


def _is_damaged(world: World) -> None:
    """What is in the write-ahead log is still whole, and is read there; so it is written into the file before."""
    world.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    world.file.write_bytes(b"This is a letter. " * 40_000)


def _is_lost(world: World) -> None:
    world.file.rename(world.file.with_suffix(".lost"))


def _is_locked(world: World) -> None:
    other = sqlite3.connect(world.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world.ends.callback(other.close)


def _sleeps(world: World) -> None:
    """Twenty days pass, and its scheduler never wakes."""
    world.running.service.scheduler.stop()
    world.running.clock.advance(timedelta(days=20))


def _is_refused(world: World) -> None:
    world.running.clock.advance(timedelta(hours=-26))
    world.send(503)
    world.running.clock.advance(timedelta(hours=26))
    world.send(422)
    world.send(401)


def _gets_no_receipt(world: World) -> None:
    world.send()
    world.wake()


def _must_have_a_receipt(world: World) -> None:
    world.send()


def _is_changed(world: World) -> None:
    world.execute("UPDATE telemetry_transmission_logs SET created_at = '2020-01-01 00:00:00.000000'")
    world.wake()


def _counts_twice_and_loses_its_view(world: World) -> None:
    world.audit.write(decision(), at=world.running.clock.now())
    send(world.running, report(bouncer_id="bnc-1"))
    world.wake()
    world.audit.run("DROP VIEW telemetry_source_events")
    world.wake()


def _has_a_wrong_clock(world: World) -> None:
    world.running.clock.advance(timedelta(minutes=2))


def _has_no_space(world: World) -> None:
    whole = os.statvfs

    def nearly_full(path: os.PathLike[str]) -> object:
        bytes_free = SimpleNamespace(f_bfree=499_000, f_bavail=499_000, f_frsize=1_000, f_blocks=900_000)
        return bytes_free if str(path) == str(world.file) else whole(path)

    world.patches.setattr(os, "statvfs", nearly_full)


def _has_wrong_callers(world: World) -> None:
    """Somebody guesses passwords, a reporter sends what is no report, and one request meets a fault."""
    origin = str(world.running.client.base_url).rstrip("/")
    for _ in range(20):
        form = {"name": "admin", "password": "a wrong password"}
        world.running.client.post("/login", data=form, headers={"Origin": origin})
    assert world.running.call(Scope.REPORT, "POST", "usage", json={"reports": [{}]}).status_code == 422
    assert world.running.client.get("/fault").status_code == 500


@dataclass(frozen=True)
class Case:
    """The alerts that a failure raises, and the settings under which it can happen."""

    alerts: set[str] = field(default_factory=set)
    settings: Mapping[str, str] = field(default_factory=dict)
    sends_before: bool = True

    @property
    def firing(self) -> set[str]:
        """The same, with those that every process of this test raises that can be scraped."""
        return self.alerts if self.alerts == {"TelemetryDown"} else self.alerts | _OF_THE_PROCESS


CASES: dict[Fail, Case] = {
    _goes_on: Case(),
    _stops: Case({"TelemetryDown"}),
    _is_damaged: Case({"TelemetryDatabaseDown", "TelemetryDatabaseNotWritable"}),
    _is_lost: Case({"TelemetryDatabaseDown", "TelemetryDatabaseNotWritable"}),
    _is_locked: Case({"TelemetryDatabaseNotWritable"}),
    _sleeps: Case(
        {
            "TelemetryWakingStopped",
            "TelemetryScheduleOverdue",
            "TelemetryLedgerNotVerified",
            "TelemetrySourceLate",
            "TelemetryClockWrong",
        }
    ),
    _is_refused: Case({"TelemetryDeliveryOverdue", "TelemetryRejected", "TelemetryUnhealthy"}),
    _gets_no_receipt: Case(
        {"TelemetryReceiptsUnverified", "TelemetryDecisionNeeded"}, _OF_ANOTHER_SERVER, sends_before=False
    ),
    _must_have_a_receipt: Case(
        {"TelemetryDecisionNeeded"}, _OF_ANOTHER_SERVER | {"TELEMETRY_REQUIRE_RECEIPT": "true"}, sends_before=False
    ),
    _is_changed: Case({"TelemetryLedgerBroken", "TelemetryUnhealthy"}),
    _counts_twice_and_loses_its_view: Case({"TelemetrySourceShared", "TelemetrySourceStopped"}),
    _has_a_wrong_clock: Case({"TelemetryClockWrong"}),
    _has_no_space: Case({"TelemetryDiskNearlyFull"}),
    _has_wrong_callers: Case({"TelemetryUsageRefused"}),
}


@pytest.fixture
def worlds(run_databases: RunDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[Fail, World]]:
    """A service for each failure, before it."""
    with ExitStack() as stack, LicenseServer(tmp_path / "license-server", RealClock()) as server:
        yield {
            fail: _world(case, server, run_databases.sqlite(tmp_path), stack.enter_context(ExitStack()), monkeypatch)
            for fail, case in CASES.items()
        }


def _world(case: Case, server: LicenseServer, url: str, ends: ExitStack, patches: pytest.MonkeyPatch) -> World:
    """Return a service that was verified yesterday, has read its source, and has sent something."""

    async def fault() -> None:
        raise LookupError

    audit, clock = sqlite_audit_table(server.server.ca_pem_path.parent), RealClock()
    settings = {
        "TELEMETRY_SOURCE_DATABASE_URL": audit.reader_url,
        "TELEMETRY_BOOTSTRAP_TOKEN": _TOKEN,
        **connection_to(server),
        **case.settings,
    }
    clock.advance(-_YESTERDAY)
    world = World(ends.enter_context(connected_service(url, settings, clock)), server, audit, patches, ends)
    world.running.app.add_api_route("/fault", fault)
    world.wake()
    clock.advance(_YESTERDAY)
    read_up_to_now(world.running.context.runtime)
    if case.sends_before:
        world.send()
    return world


def test_each_alert_is_silent_before_its_failure_and_fires_for_it(
    worlds: dict[Fail, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that lasts is one that goes on while Prometheus watches."""
    target = {fail: world.running.client.base_url.netloc.decode() for fail, world in worlds.items()}
    with Prometheus(tmp_path, list(target.values()), _TOKEN) as prometheus:
        prometheus.wait_for(f"count(count_over_time(up[1h]) >= {_SILENT_SCRAPES}) == {len(target)}")
        # On a busy machine, a scrape may take longer than the two seconds that it has here.
        assert prometheus.query('ALERTS{alertname!="TelemetryDown"}') == []
        prometheus.wait_for(f"count(up == 1) == {len(target)}")
        for fail, world in worlds.items():
            fail(world)
        _let_minutes_pass(monkeypatch)
        expected = {target[fail]: case.firing for fail, case in CASES.items()}
        until = time.monotonic() + _PATIENCE_SECONDS
        while (found := prometheus.firing()) != expected and time.monotonic() < until:
            _has_wrong_callers(worlds[_has_wrong_callers])
            time.sleep(0.5)
        assert found == expected
    assert set().union(*expected.values()) == alert_names()


def _let_minutes_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wakings and heartbeats so far be three minutes old; those that go on are new within seconds."""
    real = time.monotonic
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: real() + 180))

"""A database that is locked, restarted, cut off or gone: the service says so, loses nothing and recovers by itself."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from telemetry_service.domain.errors import StorageBusyError, StorageUnavailableError
from telemetry_service.domain.transmissions import LEASE
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import Recorder, record
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.migrate import migrate
from tests.support.license_server import LicenseServer
from tests.support.postgres import PostgresServer
from tests.support.reckoning import Amount, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
IN_A_TRANSACTION = [
    Failpoint.USAGE_WRITTEN,
    Failpoint.TICK_OWNED,
    Failpoint.PERIOD_CLOSED,
    Failpoint.PREPARED,
    Failpoint.OUTCOME_WRITTEN,
]
BETWEEN_TRANSACTIONS = [Failpoint.CLAIMED, Failpoint.SENT]


class Strike:
    """Does something once, at a failpoint."""

    def __init__(self, failpoint: Failpoint, act: Callable[[], object]) -> None:
        self.failpoint, self.act, self.struck = failpoint, act, False

    def __call__(self, reached: Failpoint) -> None:
        if reached is self.failpoint and not self.struck:
            self.struck = True
            self.act()


@only_sqlite
def test_a_write_waits_for_another_process_that_locks_the_database(site: Site) -> None:
    file = site.replica.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
        assert site.report(usage(1)).accepted == 1


@only_sqlite
def test_a_database_locked_for_too_long_is_named_and_nothing_is_acknowledged(site: Site) -> None:
    file = site.replica.database_url.removeprefix("sqlite:///")
    report = usage(1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageBusyError):
            site.report(report)
        other.execute("ROLLBACK")
    assert site.report(report).duplicates == 0


@pytest.fixture(scope="module")
def crashing_server() -> Iterator[PostgresServer]:
    """One durable server for this module's tests, each of which leaves it running."""
    server = PostgresServer.make()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def crashing_site(
    crashing_server: PostgresServer, clock: SharedClock, server: LicenseServer, tmp_path: Path
) -> Iterator[Site]:
    """A site on a PostgreSQL server that may be crashed."""
    url = crashing_server.create_database(f"site_{abs(hash(tmp_path))}")
    migrate(url)
    made = Site(Replica(url, server.server.url, server.server.ca_pem_path), clock, server)
    yield made
    made.close()


def survives(site: Site, strike: Strike) -> None:
    """Record, tick and send while it strikes; then let the same process go on, and reckon up."""
    struck = site.open(strike)
    reports = [usage(7, 3, 2)]
    site.clock.set(site.next_run_at())
    for act in (lambda: record(struck, [reports]), lambda: wake(struck)):
        try:
            act()
        except StorageUnavailableError:
            assert strike.struck
    assert strike.struck
    record(struck, [reports])
    for _ in range(3):
        site.clock.advance(seconds=LEASE.total_seconds() + 1)
        wake(struck)
    journal = site.server.journal()
    assert reckon(site.replica.database_url, journal).total == Amount(7, 3, 2)
    assert [entry.conflicts for entry in journal] == [0]
    assert read_now(struck, read_health).waiting == 0


@pytest.mark.parametrize("failpoint", IN_A_TRANSACTION + BETWEEN_TRANSACTIONS)
def test_connections_to_postgresql_that_are_cut_in_mid_transaction_do_no_harm(
    crashing_site: Site, crashing_server: PostgresServer, failpoint: Failpoint
) -> None:
    survives(crashing_site, Strike(failpoint, crashing_server.kill_connections))


@pytest.mark.parametrize("failpoint", [Failpoint.USAGE_WRITTEN, Failpoint.PREPARED, Failpoint.SENT])
def test_a_crash_of_postgresql_in_mid_transaction_does_no_harm(
    crashing_site: Site, crashing_server: PostgresServer, failpoint: Failpoint
) -> None:
    survives(crashing_site, Strike(failpoint, lambda: crashing_server.restart(crash=True)))


def test_while_postgresql_is_away_all_is_refused_and_when_it_is_back_all_goes_on(
    crashing_site: Site, crashing_server: PostgresServer
) -> None:
    site = crashing_site
    recorder = Recorder(site.runtime)
    recorder.start()
    report = usage(3)
    crashing_server.stop()
    with pytest.raises(StorageUnavailableError):
        recorder.submit([report]).result(30)
    with pytest.raises(StorageUnavailableError):
        wake(site.runtime)
    with pytest.raises(StorageUnavailableError):
        site.runtime.database.check()
    crashing_server.start()
    assert recorder.submit([report]).result(30).accepted == 1
    recorder.stop()
    assert site.tick().attempts == 1
    assert reckon(site.replica.database_url, site.server.journal()).accepted.events == 3


@only_sqlite
def test_a_database_file_that_cannot_be_opened_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a-folder.db").mkdir()
    lost = Replica(f"sqlite:///{tmp_path / 'a-folder.db'}", None, None)
    with pytest.raises(StorageUnavailableError):
        site.open(replica=lost)

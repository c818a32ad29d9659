"""Ready means: it wakes, and it can write. Nothing else counts (``docs/operations.md``, *Probes*)."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import create_engine, text

from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.heartbeat import Heartbeat, HeartbeatLimits
from tests.reliability.test_disk_faults import fill, small_disk
from tests.support.actors import ADMIN
from tests.support.fault_server import Visit
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, hang
from tests.support.postgres import plain_url
from tests.support.running import Running
from tests.support.site import Site

__all__ = ["small_disk"]

QUICK = HeartbeatLimits(every=0.2, stale_after=5)
"""A deployment's are 15 and 60 seconds; a test has less time."""

UNHURRIED = HeartbeatLimits(every=0.2, stale_after=15)
"""For a test in which no heartbeat may come late, on a busy machine either. Less than what a delivery may wait."""

_PATIENCE_SECONDS = 60


def readyz(service: Running) -> dict[str, Any]:
    shown: dict[str, Any] = service.call(None, "GET", "/readyz").json()
    return shown


def await_ready(service: Running, *, ready: bool) -> dict[str, Any]:
    """Return what is said once the service says that it is ready, or is not."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while (shown := readyz(service))["ready"] is not ready:
        assert time.monotonic() < until, shown
        time.sleep(0.05)
    return shown


def becomes_unready_for_its_database(service: Running) -> None:
    shown = await_ready(service, ready=False)
    assert (shown["database"], shown["scheduler"]) == (False, True)
    assert shown["last_heartbeat_age_seconds"] > QUICK.stale_after
    assert service.call(None, "GET", "/healthz").status_code == 200


def rows(database_url: str) -> list[tuple[Any, ...]]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT process_id, beat_at FROM process_heartbeats")).all()
    engine.dispose()
    return [tuple(row) for row in found]


def test_a_full_disk_makes_it_unready_until_there_is_room(small_disk: Path) -> None:
    with Running(f"sqlite:///{small_disk / 'telemetry.db'}", heartbeat=QUICK) as service:
        filler = small_disk / "filler"
        fill(filler)
        becomes_unready_for_its_database(service)
        filler.unlink()
        await_ready(service, ready=True)


def test_a_database_that_another_process_keeps_locked_makes_it_unready_until_it_lets_go(sqlite_url: str) -> None:
    file = sqlite_url.removeprefix("sqlite:///")
    with Running(sqlite_url, heartbeat=QUICK) as service, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        becomes_unready_for_its_database(service)
        other.execute("ROLLBACK")
        await_ready(service, ready=True)


def test_a_database_that_is_away_makes_it_unready_until_it_is_back(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with Running(sqlite_url, heartbeat=QUICK) as service:
        file.rename(file.with_suffix(".away"))
        becomes_unready_for_its_database(service)
        file.with_suffix(".away").rename(file)
        await_ready(service, ready=True)


@contextmanager
def standing_by(postgresql_url: str) -> Iterator[None]:
    """Let a database refuse to be written to, as a standby does after a failover, sessions and all."""
    with psycopg.connect(plain_url(postgresql_url), autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        end_other_sessions(connection)
        yield
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        end_other_sessions(connection)


def end_other_sessions(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_database_that_can_only_be_read_makes_it_unready_until_it_can_be_written(postgresql_url: str) -> None:
    with Running(postgresql_url, heartbeat=QUICK) as service:
        with standing_by(postgresql_url):
            becomes_unready_for_its_database(service)
        await_ready(service, ready=True)


def test_a_license_server_that_hangs_leaves_it_ready(sqlite_url: str, tmp_path: Path) -> None:
    """A delivery waits up to half a minute for a response, and there may be many: neither heartbeat nor tick waits."""
    clock, arrived = FrozenClock(), threading.Event()

    def arrive_and_hang(visit: Visit) -> None:
        arrived.set()
        hang(visit)

    with LicenseServer(tmp_path / "license-server", clock) as server:
        server.trouble(Trouble(before=arrive_and_hang))
        connected = {
            "TELEMETRY_LICENSE_SERVER_URL": server.server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(server.server.ca_pem_path),
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
            "TELEMETRY_SEND_SPREAD_SECONDS": "0",
        }
        with Running(sqlite_url, connected, clock, heartbeat=UNHURRIED, scheduled=True) as service:
            set_api_key(service.context.runtime, API_KEY, ADMIN)
            clock.advance(timedelta(days=20))
            assert arrived.wait(_PATIENCE_SECONDS), "the tick's payload is being sent"
            until = time.monotonic() + 1.2 * UNHURRIED.stale_after
            while time.monotonic() < until:
                assert readyz(service)["ready"] is True
                time.sleep(0.1)
            assert len(server.journal()) == 0
        server.server.__exit__()


def test_each_process_has_its_own_row_and_those_that_ended_long_ago_are_removed(site: Site) -> None:
    others = [Heartbeat(site.open()) for _ in range(3)]
    for heartbeat in others:
        heartbeat.begin()
    assert len(rows(site.replica.database_url)) == 3
    site.clock.advance(days=2)
    Heartbeat(site.open()).begin()
    assert len(rows(site.replica.database_url)) == 1
    site.clock.advance(days=-400)
    Heartbeat(site.open()).begin()
    assert len(rows(site.replica.database_url)) == 1, "nor does one from a clock that was ahead stay"


def test_a_heartbeat_is_one_small_row_that_does_not_grow(site: Site) -> None:
    heartbeat = Heartbeat(site.runtime, HeartbeatLimits(every=0))
    heartbeat.begin()
    (before,) = rows(site.replica.database_url)
    for _ in range(20):
        site.clock.advance(seconds=15)
        heartbeat.beat_if_due()
    (after,) = rows(site.replica.database_url)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_between_two_heartbeats_nothing_is_written(site: Site) -> None:
    heartbeat = Heartbeat(site.runtime)
    heartbeat.begin()
    before = rows(site.replica.database_url)
    site.clock.advance(days=1)
    heartbeat.beat_if_due()
    assert rows(site.replica.database_url) == before, "a clock that is set makes no heartbeat due"


def test_before_its_first_heartbeat_it_claims_nothing(site: Site) -> None:
    readiness = Heartbeat(site.runtime).readiness()
    assert readiness.ready is False
    assert (readiness.last_waking_age_seconds, readiness.last_heartbeat_age_seconds) == (None, None)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_replicas_do_not_wait_for_each_others_heartbeats(site: Site) -> None:
    first, second = Heartbeat(site.open()), Heartbeat(site.open())
    first.begin()
    (mine,) = rows(site.replica.database_url)
    with site.open().database.write() as tx:
        tx.heartbeats.beat(UUID(str(mine[0])), site.clock.now(), "")
        second.begin()
    assert second.readiness().ready

"""A session of the database that failed is not used again: what was wrong with it would be wrong for ever."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from sqlalchemy import text

from telemetry_service.domain.errors import StorageOptionsError, StorageReadOnlyError, StorageUnavailableError
from telemetry_service.domain.facts import BouncerRegistration, Environment
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.storage.database import Database
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.migrate import migrate
from tests.support.frozen_clock import START
from tests.support.postgres import PostgresServer, plain_url
from tests.support.running import Running, code_in
from tests.support.site import usage

NAME = "sessions"
REGISTRATION = BouncerRegistration(environment=Environment.SANDBOX, pair_id="p")


@pytest.fixture
def service(other_server: PostgresServer) -> Iterator[Running]:
    with Running(other_server.create_database(f"{NAME}_{uuid4().hex}")) as running:
        yield running


def alter(service: Running, statement: str) -> None:
    """Do something as the database's administrator; ``{}`` is the database."""
    able = "-c default_transaction_read_only=off"
    with psycopg.connect(plain_url(service.database_url), autocommit=True, options=able) as connection:
        name = connection.info.dbname
        connection.execute(statement.format(f'"{name}"').encode())


def report(service: Running) -> httpx.Response:
    body = {"reports": [{**usage(1), "report_id": str(uuid4())}]}
    return service.call(Scope.REPORT, "POST", "usage", json=body)


def register(service: Running) -> httpx.Response:
    return service.call(Scope.REPORT, "PUT", "bouncers/b", json={"environment": "sandbox", "pair_id": "p"})


def test_after_a_failover_the_service_writes_again_automatically(
    service: Running, other_server: PostgresServer
) -> None:
    """The sessions of the time between stay read-only after the database is not, until they end."""
    assert report(service).status_code == 200
    alter(service, "ALTER DATABASE {} SET default_transaction_read_only = on")
    other_server.kill_connections()
    with ThreadPoolExecutor(8) as pool:
        responses = [future.result(60) for future in [pool.submit(register, service) for _ in range(8)]]
    assert {code_in(response) for response in (*responses, report(service))} == {"storage-read-only"}
    assert service.call(Scope.READ, "GET", "bouncers").status_code == 200, "it can be read meanwhile"
    alter(service, "ALTER DATABASE {} RESET default_transaction_read_only")
    assert [register(service).status_code for _ in range(30)] == [200] * 30
    assert [report(service).status_code for _ in range(5)] == [200] * 5


def test_the_system_watches_over_a_connection_and_the_url_may_say_otherwise(other_server: PostgresServer) -> None:
    cases = (
        ("", "15000", "control-core-telemetry"),
        ("&tcp_user_timeout=9000&application_name=ours", "9000", "ours"),
    )
    for options, bound, name in cases:
        engine = make_engine(other_server.url() + options)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            found = driver.info.get_parameters()
            shown = connection.execute(text("SELECT application_name FROM pg_stat_activity WHERE pid=pg_backend_pid()"))
            assert shown.scalar_one() == name, "an administrator of the server sees whose connection it is"
        engine.dispose()
        assert found["tcp_user_timeout"] == bound
        assert (found["keepalives_idle"], found["connect_timeout"]) == ("10", "10")


@pytest.mark.parametrize(
    "option",
    ["autocommit=true", "row_factory=x", "context=x", "prepare_threshold=often", "connect_timeout=1&connect_timeout=2"],
)
def test_an_option_that_no_connection_can_have_is_refused_by_its_name(
    other_server: PostgresServer, option: str
) -> None:
    with pytest.raises(StorageOptionsError, match=rf"Unknown: {option.partition('=')[0]}\."):
        migrate(f"{other_server.url()}&{option}")


@pytest.mark.parametrize("crash", [True, False])
def test_connections_that_were_cut_and_a_restart_fail_no_later_call(
    service: Running, other_server: PostgresServer, *, crash: bool
) -> None:
    assert report(service).status_code == 200
    other_server.kill_connections()
    assert report(service).status_code == 200
    other_server.restart(crash=crash)
    assert [report(service).status_code, register(service).status_code] == [200, 200]


def test_a_plan_that_does_not_fit_any_more_fails_one_call_at_most(service: Running) -> None:
    """A statement that was prepared before a column changed its type fails on that session for ever."""
    runtime = service.context.runtime
    for _ in range(10):
        read_now(runtime, list_activity)
    alter(service, "ALTER TABLE telemetry_ledger ALTER COLUMN actor TYPE varchar(90)")
    with pytest.raises(StorageUnavailableError):
        read_now(runtime, list_activity)
    for _ in range(10):
        read_now(runtime, list_activity)


def test_a_lock_that_was_waited_for_in_vain_leaves_nothing_behind(service: Running) -> None:
    with psycopg.connect(plain_url(service.database_url)) as other:
        other.execute("LOCK TABLE bouncers")
        assert code_in(register(service)) == "storage-busy"
    assert register(service).status_code == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system read-only")
def test_a_file_that_was_opened_read_only_is_reopened(tmp_path: Path) -> None:
    """SQLite opens a file read-only where it may not write, and that connection stays so."""
    place = tmp_path / "mounted"
    place.mkdir()
    if not mount(place, "size=64m"):
        pytest.skip("no file system can be mounted here")
    try:
        url = f"sqlite:///{place / 'telemetry.db'}"
        migrate(url)
        assert mount(place, "remount,ro")
        database = Database(url)
        with pytest.raises(StorageReadOnlyError), database.write() as tx:
            tx.bouncers.put("b-1", REGISTRATION, START)
        assert mount(place, "remount,rw")
        with database.write() as tx:
            tx.bouncers.put("b-1", REGISTRATION, START)
        database.close()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - the system's own


def mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "telemetry-test", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0

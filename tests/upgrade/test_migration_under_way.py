"""A database that another process is migrating: no look at it sees half of that, and a start waits for the end."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from telemetry_service.domain.errors import MigrationUnderWayError, StorageBusyError
from telemetry_service.storage import migrate as migrating
from telemetry_service.storage.deadline import ORDINARY
from telemetry_service.storage.migrate import migrate, schema_state
from telemetry_service.storage.version_table import adopt_revision
from tests.support import migrations
from tests.support.databases import RunDatabases
from tests.support.lived_in import postgresql_lived_in, sqlite_lived_in
from tests.support.postgres import plain_url

pytestmark = pytest.mark.waits


@contextmanager
def half_migrated(url: str) -> Iterator[Connection]:
    """Be the other process, in the middle of its work."""
    with migrations.connected(url) as connection:
        migrating._take_lock(connection)  # noqa: SLF001 - what the other process does first
        adopt_revision(connection)
        yield connection


def await_waiting(url: str) -> None:
    """Wait until some session of a PostgreSQL database waits for a lock."""
    query = "SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = %s)"
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        while connection.execute(query, [connection.info.dbname]).fetchone() is None:
            time.sleep(0.01)


@pytest.mark.parametrize("used", [migrate, schema_state])
def test_on_postgresql_a_look_waits_for_its_end(run_databases: RunDatabases, used: Callable[[str], object]) -> None:
    """Each statement there sees what was committed before it, tables that are gone included."""
    with postgresql_lived_in(run_databases) as lived_in, ThreadPoolExecutor(1) as pool:
        with half_migrated(lived_in.database_url):
            found = pool.submit(used, lived_in.database_url)
            await_waiting(lived_in.database_url)
        assert found.result() is not None
        assert schema_state(lived_in.database_url).missing == ()


def test_on_postgresql_a_look_does_not_wait_long_and_a_start_does(run_databases: RunDatabases) -> None:
    with postgresql_lived_in(run_databases) as lived_in, ThreadPoolExecutor(2) as pool:
        with half_migrated(lived_in.database_url):
            looks = pool.submit(schema_state, lived_in.database_url)
            starts = pool.submit(migrate, lived_in.database_url)
            with pytest.raises(MigrationUnderWayError):
                looks.result()
            time.sleep(ORDINARY.lock)
            assert not starts.done()
        assert starts.result() == schema_state(lived_in.database_url).newest


def test_on_sqlite_nobody_sees_half_of_it_and_a_start_says_that_the_database_is_busy(tmp_path: Path) -> None:
    lived_in = sqlite_lived_in(tmp_path)
    with half_migrated(lived_in.database_url), pytest.raises(StorageBusyError):
        migrate(lived_in.database_url)
    assert schema_state(lived_in.database_url).missing == ()

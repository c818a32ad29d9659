"""Fixtures for tests with a source; a ``conftest.py`` takes them by importing them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.license_server import LicenseServer
from tests.support.postgres import PostgresServer
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site
from tests.support.source import AuditTable, postgresql_audit_table, sqlite_audit_table

ON_BOTH_SOURCES = pytest.mark.parametrize("audit", ["sqlite", "postgresql"], indirect=True)
"""For a test about what the two kinds of sources do differently; others read SQLite."""

ON_POSTGRESQL = pytest.mark.parametrize("audit", ["postgresql"], indirect=True)


@pytest.fixture(scope="session")
def source_server() -> Iterator[PostgresServer]:
    """A PostgreSQL cluster for sources alone: transactions of other tests would delay what is final."""
    server = PostgresServer.make(durable=False, options=("-c", "max_prepared_transactions=4"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def audit(request: pytest.FixtureRequest, tmp_path: Path) -> AuditTable:
    """The audit table of a Control Plane."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return sqlite_audit_table(tmp_path)
    server: PostgresServer = request.getfixturevalue("source_server")
    return postgresql_audit_table(server)


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer, audit: AuditTable) -> Iterator[Site]:
    """A configured site that counts from the audit table too."""
    replica = Replica(database_url, server.server.url, server.server.ca_pem_path)
    made = Site(replace(replica, source_url=audit.reader_url), clock, server)
    yield made
    made.close()

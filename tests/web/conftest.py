"""The service of a test, and one that the tests of a file share where none of them changes what the others see."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.connected import connected_service, connection_to
from tests.support.databases import RunDatabases, on_sqlite
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.running import Running
from tests.web.api.test_facts import report, send

__all__ = ["on_sqlite"]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def license_server(tmp_path: Path, clock: FrozenClock) -> Iterator[LicenseServer]:
    """A License Server that goes by the test's clock."""
    with LicenseServer(tmp_path / "license-server", clock) as server:
        yield server


@pytest.fixture
def service(database_url: str) -> Iterator[Running]:
    """A service of the test's own."""
    with Running(database_url) as running:
        yield running


@pytest.fixture(scope="module")
def shared(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on SQLite that the tests of a file share."""
    with Running(run_databases.sqlite(tmp_path_factory.mktemp("shared"))) as running:
        yield running


@pytest.fixture
def connected(database_url: str, clock: FrozenClock, license_server: LicenseServer) -> Iterator[Running]:
    """A service that is configured and has something to send."""
    with connected_service(database_url, connection_to(license_server), clock) as running:
        send(running, report(), report(environment="sandbox"))
        yield running


@pytest.fixture
def lived(database_url: str, clock: FrozenClock, license_server: LicenseServer) -> Iterator[Running]:
    """A service with an accepted transmission, a rejected one and one that waits."""
    with connected_service(database_url, connection_to(license_server), clock) as running:
        for trouble in ((), (Trouble(before=reply(422)),), (Trouble(before=reply(401)),)):
            send(running, report(), report(environment="sandbox"))
            license_server.trouble(*trouble)
            assert running.call(Scope.ADMIN, "POST", "telemetry/send-now").is_success
        license_server.trouble()
        yield running

"""Fixtures for tests that need a whole site; a ``conftest.py`` takes them by importing them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[SharedClock]:
    """A clock that the test moves."""
    made = SharedClock(tmp_path / "clock")
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, clock: SharedClock) -> Iterator[LicenseServer]:
    """A License Server that goes by the test's clock."""
    with LicenseServer(tmp_path / "license-server", clock) as running:
        yield running


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """A configured site on the database of the test."""
    made = Site(Replica(database_url, server.server.url, server.server.ca_pem_path), clock, server)
    yield made
    made.close()

"""A site without a network: its payloads leave in bundles, and the License Server is only handed files."""

from collections.abc import Iterator

import pytest

from telemetry_service.domain.configuration import Delivery
from tests.support.databases import on_sqlite
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site
from tests.support.site_fixtures import clock, server

__all__ = ["clock", "on_sqlite", "server"]


@pytest.fixture
def replica(database_url: str, server: LicenseServer) -> Replica:
    """A deployment that pins the License Server's key and names no address."""
    return Replica(database_url, None, None, public_key=server.public_key, delivery=Delivery.BUNDLE)


@pytest.fixture
def site(replica: Replica, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """The site; its database is SQLite, and each kind for a test that is ``ON_BOTH``."""
    made = Site(replica, clock, server)
    yield made
    made.close()

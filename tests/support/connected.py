"""A running service with an API key, and the License Server of the test, which goes by the same clock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from telemetry_service.identity.scopes import Scope
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.running import Running


def connection_to(license_server: LicenseServer) -> dict[str, str]:
    """Return the settings of a deployment that sends online."""
    return {
        "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.server.ca_pem_path),
        **pinned(license_server),
    }


def pinned(license_server: LicenseServer) -> dict[str, str]:
    """Return the settings of one that only knows the License Server's key."""
    return {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": license_server.public_key, "TELEMETRY_CUSTOMER_ID": CUSTOMER}


@contextmanager
def connected_service(database_url: str, environment: Mapping[str, str], clock: FrozenClock) -> Iterator[Running]:
    """Run a service with these settings, and save its API key."""
    with Running(database_url, dict(environment), clock) as running:
        assert running.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY}).is_success
        yield running

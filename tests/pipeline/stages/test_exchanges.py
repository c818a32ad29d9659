"""What an exchange says holds for the API key and the connection that it was made with."""

from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import remove_api_key, set_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.site import Site

OTHER_KEY = "ck_test_another_key_0987654321"


def badge(site: Site) -> ConnectionBadge:
    return read_now(site.runtime, read_health).verdict.badge


def test_a_typed_key_that_was_tested_and_then_saved_is_connected(site: Site) -> None:
    remove_api_key(site.runtime, ADMIN)
    assert check_connection(site.runtime, ADMIN, API_KEY).ok
    assert badge(site) is ConnectionBadge.NOT_CONFIGURED
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert badge(site) is ConnectionBadge.CONNECTED


def test_a_typed_key_that_failed_and_then_is_saved_is_not_connected(site: Site) -> None:
    assert not check_connection(site.runtime, ADMIN, OTHER_KEY).ok
    assert badge(site) is ConnectionBadge.NOT_CONTACTED, "it says nothing of the key that is stored"
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    assert badge(site) is ConnectionBadge.NOT_CONNECTED
    assert read_now(site.runtime, read_health).health.status is HealthStatus.UNHEALTHY


def test_of_another_key_than_the_tested_one_nothing_is_known(site: Site) -> None:
    site.server.store.add_key(OTHER_KEY, CUSTOMER)
    assert check_connection(site.runtime, ADMIN).ok
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    assert badge(site) is ConnectionBadge.NOT_CONTACTED
    assert read_now(site.runtime, read_health).health.code == "connection_untested"


@ON_BOTH
def test_the_stored_key_typed_again_is_the_stored_key(site: Site) -> None:
    assert check_connection(site.runtime, ADMIN, API_KEY).ok
    assert badge(site) is ConnectionBadge.CONNECTED


def test_the_badge_is_off_while_telemetry_is(site: Site) -> None:
    send_now(site.runtime, ADMIN, None)
    assert badge(site) is ConnectionBadge.CONNECTED
    site.configure(enabled=False)
    assert badge(site) is ConnectionBadge.OFF

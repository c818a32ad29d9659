"""A changed connection is noticed by the process that uses it, and by nobody else; nor is it noticed for ever."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site

REFUSED = Trouble(before=reply(401))


@pytest.fixture
def elsewhere(tmp_path: Path, clock: SharedClock) -> Iterator[LicenseServer]:
    """Another License Server, which the new settings name."""
    with LicenseServer(tmp_path / "elsewhere", clock) as running:
        yield running


@pytest.fixture
def renewed(site: Site, elsewhere: LicenseServer) -> Replica:
    """The same deployment with new settings."""
    return replace(site.replica, base_url=elsewhere.server.url, ca_file=elsewhere.server.ca_pem_path)


def hold(site: Site) -> Transmission:
    site.server.trouble(REFUSED)
    held = send_now(site.runtime, ADMIN, None).transmission
    assert held.state is State.HELD
    return held


def state(site: Site, held: Transmission) -> State:
    with site.runtime.database.read() as tx:
        found = tx.transmissions.get(held.transmission_id)
    assert found is not None
    return found.state


def attempts(*replicas: Runtime) -> list[int]:
    return [wake(replica).attempts for replica in replicas]


@ON_BOTH
def test_in_a_rolling_update_a_replica_of_the_old_settings_cannot_take_the_change_away(
    site: Site, renewed: Replica
) -> None:
    held = hold(site)
    new = site.open(replica=renewed)
    assert attempts(site.runtime) == [1], "the old one was quicker, and holds it again"
    assert state(site, held) is State.HELD
    assert attempts(new) == [1]
    assert state(site, held) is State.SUCCESS


def test_two_replicas_that_differ_try_a_row_once_each_and_not_for_ever(
    site: Site, elsewhere: LicenseServer, renewed: Replica
) -> None:
    elsewhere.trouble(REFUSED)
    hold(site)
    new = site.open(replica=renewed)
    assert attempts(new, site.runtime, new, site.runtime, new) == [1, 0, 0, 0, 0]


def test_a_change_back_is_a_change_as_well(site: Site, elsewhere: LicenseServer, renewed: Replica) -> None:
    elsewhere.trouble(REFUSED)
    held = hold(site)
    assert attempts(site.open(replica=renewed)) == [1]
    site.server.trouble()
    assert attempts(site.open()) == [1]
    assert state(site, held) is State.SUCCESS


def test_a_change_made_while_telemetry_is_off_is_noticed_once_it_is_on(site: Site, renewed: Replica) -> None:
    held = hold(site)
    site.configure(enabled=False)
    new = site.open(replica=renewed)
    assert attempts(new, site.runtime) == [0, 0]
    site.configure(enabled=True)
    assert attempts(new) == [1]
    assert state(site, held) is State.SUCCESS


def test_a_replica_without_a_license_server_notices_nothing(site: Site, renewed: Replica) -> None:
    held = hold(site)
    failed = read_now(site.runtime, read_health).last_exchange
    assert attempts(site.open(replica=replace(renewed, base_url=None))) == [0]
    assert read_now(site.runtime, read_health).last_exchange == failed
    assert attempts(site.open(replica=renewed)) == [1]
    assert state(site, held) is State.SUCCESS


def test_failures_with_another_connection_are_forgotten_by_the_process_that_uses_the_new_one(
    site: Site, renewed: Replica
) -> None:
    hold(site)
    site.open()
    failed = read_now(site.runtime, read_health).last_exchange
    assert failed is not None
    assert not failed.ok
    site.open(replica=renewed)
    assert read_now(site.runtime, read_health).last_exchange is None


def test_an_authority_that_is_replaced_in_place_is_a_changed_connection_without_a_restart(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(site.server.server.ca_pem_path.read_bytes())
    running = site.open(replica=replace(site.replica, ca_file=file))
    certificates = site.server.server.certificates
    certificates.renew()
    held = send_now(running, ADMIN, None).transmission
    assert (held.state, held.cause) == (State.HELD, "certificate_untrusted")
    assert attempts(running) == [0]
    file.write_bytes(certificates.authority.cert_pem.bytes())
    assert attempts(running) == [1]
    assert state(site, held) is State.SUCCESS

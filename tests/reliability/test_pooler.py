"""Behind pgbouncer in transaction mode, with fewer sessions than there are clients, the service works as without it."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from telemetry_service.domain.errors import StorageOptionsError
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, Service, open_service
from telemetry_service.settings import load_settings
from telemetry_service.storage.database import Database
from telemetry_service.storage.migrate import migrate, schema_state
from tests.support.actors import ADMIN
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.pooler import PROGRAM, Pooler
from tests.support.postgres import PostgresServer, plain_url
from tests.support.programs import needs
from tests.support.reckoning import Amount, reckon
from tests.support.running import CHEAP, Running
from tests.support.site import usage

pytestmark = needs(PROGRAM, "pgbouncer is not installed")


@pytest.fixture(scope="module")
def pooler(other_server: PostgresServer) -> Iterator[Pooler]:
    with Pooler(other_server, sessions=3) as running:
        yield running


@pytest.fixture
def direct_url(other_server: PostgresServer) -> str:
    """A database, by the way that leaves the pooler out."""
    return other_server.create_database(f"pooled_{uuid4().hex}")


def test_one_that_does_not_become_ready_is_not_left_running(other_server: PostgresServer) -> None:
    never_ready = Pooler(other_server, sessions=1, patience_seconds=0)
    with pytest.raises(TimeoutError), never_ready:
        pass
    assert never_ready.process.poll() is not None
    assert not never_ready.folder.exists()


def report(service: Running) -> int:
    body = {"reports": [{**usage(1), "report_id": str(uuid4())}]}
    return service.call(Scope.REPORT, "POST", "usage", json=body).status_code


@pytest.mark.timeout(400)
def test_recording_tick_delivery_and_pages_work(direct_url: str, pooler: Pooler, tmp_path: Path) -> None:
    clock = FrozenClock()
    with LicenseServer(tmp_path / "license-server", clock) as license_server:
        environment = {
            "ENCRYPTION_KEY": generate_key(),
            "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
            "TELEMETRY_DATABASE_URL": pooler.url(direct_url),
            "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.server.ca_pem_path),
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        }
        with Running(pooler.url(direct_url), environment, clock) as service:
            replica = open_service(load_settings(environment), Options(clock=clock, hash_cost=CHEAP, scheduled=False))
            set_api_key(replica.runtime, API_KEY, ADMIN)
            with ThreadPoolExecutor(20) as pool:
                statuses = Counter(pool.map(Caller(service, replica), range(300)))
            assert statuses == {200: 300}
            clock.advance(timedelta(days=20))
            assert wake(service.context.runtime).tick == "prepared"
            clock.advance(timedelta(hours=1))
            wake(replica.runtime)
            replica.runtime.database.close()
        journal = license_server.journal()
    assert [(entry.times_received, entry.conflicts) for entry in journal] == [(1, 0)]
    assert reckon(direct_url, journal).accepted == Amount(180)


class Caller:
    """Uses two replicas in every way, and collects the status codes."""

    def __init__(self, service: Running, replica: Service) -> None:
        self._service, self._replica = service, replica
        cookies, _token = service.log_in()
        self._cookie = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}

    def __call__(self, number: int) -> int:
        match number % 5:
            case 0:
                return self._service.client.get("/settings/general/telemetry", headers=self._cookie).status_code
            case 1:
                return self._service.call(Scope.READ, "GET", "telemetry/history").status_code
            case 2:
                record(self._replica.runtime, [[usage(1)]])
                return 200
            case _:
                return report(self._service)


def test_each_transaction_has_the_settings_and_no_other_client_has_them(direct_url: str, pooler: Pooler) -> None:
    url = pooler.url(direct_url)
    migrate(url)
    with psycopg.connect(plain_url(direct_url), autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        admin.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'".encode())
    database = Database(url)
    query = text(
        "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
        " current_setting('synchronous_commit'), current_setting('timezone')"
    )
    for _ in range(10):
        with database.write() as tx:
            found = tx.usage._connection.execute(query).one()  # noqa: SLF001 - no store asks
        assert tuple(found) == ("10s", "15s", "on", "UTC")
    database.close()
    with psycopg.connect(plain_url(url), autocommit=True) as other:
        row = other.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')").fetchone()
    assert row == ("0", "0"), "it may have the very session that served us"


def test_a_new_database_is_migrated_through_it(direct_url: str, pooler: Pooler) -> None:
    url = pooler.url(direct_url)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(migrate, [url] * 4)) == {schema_state(direct_url).newest}
    assert schema_state(url).current


def test_an_option_that_it_refuses_is_named_as_such(direct_url: str, pooler: Pooler) -> None:
    with pytest.raises(StorageOptionsError):
        migrate(f"{pooler.url(direct_url)}&options=-c%20search_path%3Dpublic")


@pytest.mark.parametrize("threshold", ["0", "3", "none"])
def test_the_drivers_own_option_about_prepared_statements_does_no_harm(
    direct_url: str, pooler: Pooler, threshold: str
) -> None:
    url = f"{pooler.url(direct_url)}&prepare_threshold={threshold}"
    migrate(url)
    database = Database(url)
    with ThreadPoolExecutor(8) as pool:

        def read(_number: int) -> int:
            with database.read() as tx:
                return len(tx.bouncers.all())

        assert list(pool.map(read, range(200))) == [0] * 200
    database.close()

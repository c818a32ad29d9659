"""The database vanishes silently: nothing is closed or reset. Each call gets a response, and all works afterwards."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.migrate import migrate
from tests.support.actors import STRANGER
from tests.support.postgres import PostgresServer, plain_url
from tests.support.running import PASSWORD, Running, code_in
from tests.support.silent_proxy import SilentProxy
from tests.support.site import usage

pytestmark = pytest.mark.waits

STATED = 30
"""Seconds within which each call gets a response, by docs/operations.md."""

SLACK = 60
"""What a machine that is busy with other tests may add."""


@pytest.fixture
def proxy(other_server: PostgresServer) -> Iterator[SilentProxy]:
    with SilentProxy(other_server.folder) as running:
        yield running


@pytest.fixture
def service(other_server: PostgresServer, proxy: SilentProxy) -> Iterator[Running]:
    url = other_server.create_database(f"silence_{uuid4().hex}")
    with Running(proxy.url(url)) as running:
        running.client.timeout = httpx.Timeout(150)
        yield running


def report(service: Running) -> httpx.Response:
    body = {"reports": [{**usage(1), "report_id": str(uuid4())}]}
    return service.call(Scope.REPORT, "POST", "usage", json=body)


def timed(act: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return act(), time.monotonic() - began


def fill_the_pool(service: Running) -> None:
    """Let several connections lie in the pool."""
    barrier = threading.Barrier(6)

    def hold() -> None:
        with service.context.runtime.database.read():
            barrier.wait(60)

    with ThreadPoolExecutor(6) as pool:
        for held in [pool.submit(hold) for _ in range(6)]:
            held.result(60)


def works_again(service: Running) -> None:
    """Wait until reports are accepted, without restarting anything."""
    patience = time.monotonic() + 2 * SLACK
    while (response := report(service)).status_code != 200:
        assert time.monotonic() < patience, response.text
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_each_call_gets_a_response_while_the_database_is_silent_and_works_once_it_responds(
    service: Running, proxy: SilentProxy
) -> None:
    assert report(service).status_code == 200
    cookies, _token = service.log_in()
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    fill_the_pool(service)
    proxy.go_silent()
    calls: list[Callable[[], httpx.Response]] = [
        *[lambda: report(service)] * 6,
        lambda: service.call(Scope.READ, "GET", "telemetry/history"),
        lambda: service.call(Scope.ADMIN, "PUT", "bouncers/b", json={"environment": "sandbox", "pair_id": "p"}),
        lambda: service.client.get("/settings/general/telemetry", headers=cookie),
    ]
    with ThreadPoolExecutor(12) as pool:
        responses = [pool.submit(timed, call) for call in calls]
        login = pool.submit(service.context.authentication.sessions.log_in, "admin", PASSWORD, STRANGER)
        waking = pool.submit(wake, service.context.runtime)
        for response, seconds in (future.result(150) for future in responses):
            assert response.status_code == 503
            assert seconds < STATED + SLACK
        for work in (login, waking):
            refused(work)
    assert code_in(report(service)) == "storage-unavailable"
    proxy.speak()
    works_again(service)


def refused(work: "Future[Any]") -> None:
    with pytest.raises(StorageUnavailableError):
        work.result(150)


@pytest.mark.timeout(400)
def test_connections_that_were_forgotten_while_they_lay_in_the_pool_fail_no_call(
    service: Running, proxy: SilentProxy
) -> None:
    fill_the_pool(service)
    proxy.forget()
    with ThreadPoolExecutor(6) as pool:
        responses = [future.result(150) for future in [pool.submit(timed, lambda: report(service)) for _ in range(6)]]
    assert [response.status_code for response, _ in responses] == [200] * 6
    assert max(seconds for _, seconds in responses) < STATED + SLACK


@pytest.mark.timeout(400)
def test_a_call_with_many_slow_database_responses_gets_its_response_in_time(
    service: Running, proxy: SilentProxy
) -> None:
    """No statement takes long; the page has too many of them for such a network."""
    cookies, _token = service.log_in()
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    proxy.delay_seconds = 1
    response, seconds = timed(lambda: service.client.get("/settings/general/telemetry", headers=cookie))
    assert response.status_code == 503
    assert seconds < STATED + SLACK
    proxy.delay_seconds = 0
    works_again(service)
    assert service.client.get("/settings/general/telemetry", headers=cookie).status_code == 200


def test_a_report_that_waits_behind_others_gets_a_response_too(service: Running) -> None:
    """Another transaction holds what recording needs, for as long as each group may wait for it."""
    with psycopg.connect(plain_url(service.database_url)) as other, ThreadPoolExecutor(9) as pool:
        other.execute("LOCK TABLE usage_counters")
        responses = []
        for _ in range(8):
            responses.append(pool.submit(timed, lambda: report(service)))
            time.sleep(1)
        found = [future.result(150) for future in responses]
    assert {response.status_code for response, _ in found} == {503}
    assert max(seconds for _, seconds in found) < STATED + SLACK
    works_again(service)


@pytest.mark.timeout(400)
def test_a_start_in_front_of_a_silent_database_comes_to_its_end(
    other_server: PostgresServer, proxy: SilentProxy
) -> None:
    proxy.go_silent()
    with pytest.raises(StorageUnavailableError):
        migrate(proxy.url(other_server.url()))


@pytest.mark.timeout(400)
def test_a_transaction_that_goes_silent_in_its_middle_ends(service: Running, proxy: SilentProxy) -> None:
    database = service.context.runtime.database

    def go_silent_within() -> None:
        with database.write() as tx:
            tx.bouncers.all()
            proxy.go_silent()
            tx.bouncers.all()

    with ThreadPoolExecutor(1) as pool:
        refused(pool.submit(go_silent_within))
    proxy.speak()
    works_again(service)

"""What waits for the License Server or checks a password takes no thread from anybody else."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.web.errors.request_errors import ChecksBusyError, ExchangesBusyError
from telemetry_service.web.http.pools import BoundedPool, Pools, checks_ledger
from telemetry_service.web.security.authorization import Caller
from tests.support.actors import PROVIDED, VIEWER
from tests.support.databases import RunDatabases
from tests.support.frozen_clock import FrozenClock
from tests.support.hashing import hashing_held
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.running import PASSWORD, Running, code_in

TESTS, AT_ONCE, ALL_THREADS = 60, 16, 40
STRANGERS, OF_ONE_ADDRESS = 17, 2
SOME_ID = "01980000-0000-7000-8000-000000000001"
API, TAB = "/api/v1/telemetry", "/settings/general/telemetry"
EXCHANGES = {
    f"{API}/test-connection",
    f"{API}/send-now",
    f"{API}/history/retry-failed",
    f"{API}/history/{{transmission_id}}/retry",
    f"{TAB}/test-connection",
    f"{TAB}/send-now",
    f"{TAB}/history/retry-failed",
    f"{TAB}/history/{{transmission_id}}/retry",
}
_MAKES_EXCHANGES = {"send_now", "retry", "retry_failed", "check_connection", "_test"}
_CHECKS_PASSWORDS = {"log_in", "reauthenticate", "_authenticate", "_confirmed", "change_password"}


@pytest.fixture(scope="module")
def license_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LicenseServer]:
    with LicenseServer(tmp_path_factory.mktemp("license-server"), SystemClock()) as server:
        yield server


@pytest.fixture(scope="module")
def service(
    run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory, license_server: LicenseServer
) -> Iterator[Running]:
    environment = {
        "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.server.ca_pem_path),
        "TELEMETRY_CUSTOMER_ID": CUSTOMER,
    }
    with Running(run_databases.sqlite(tmp_path_factory.mktemp("pools")), environment) as running:
        assert running.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY}).is_success
        yield running


@pytest.fixture
def hanging(service: Running, license_server: LicenseServer) -> Iterator[tuple[Running, list[Future[httpx.Response]]]]:
    """A service of which sixty connection tests were asked, while the License Server hangs."""
    license_server.server.stop_accepting()
    with ThreadPoolExecutor(TESTS) as callers:
        asked = [callers.submit(ask_for_a_check, service) for _ in range(TESTS)]
        try:
            wait_for(lambda: sum(one.done() for one in asked) >= TESTS - AT_ONCE)
            yield service, asked
        finally:
            license_server.server.start_accepting()


def ask_for_a_check(service: Running) -> httpx.Response:
    return service.call(Scope.ADMIN, "POST", "telemetry/test-connection")


def wait_for(happens: Any) -> None:  # noqa: ANN401 - a question
    until = time.monotonic() + 100
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sixty_connection_tests_against_a_hanging_license_server_block_no_one(
    hanging: tuple[Running, list[Future[httpx.Response]]],
) -> None:
    service, asked = hanging
    refused = [one.result() for one in asked if one.done()]
    cookies, _proof = service.log_in()
    headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    for response in (
        service.client.get("/healthz"),
        service.client.get("/readyz"),
        service.client.get(TAB, headers=headers),
        service.client.get("/login"),
        service.call(Scope.READ, "GET", "telemetry/config"),
        service.call(Scope.READ, "GET", "/metrics"),
    ):
        assert response.status_code == 200
    # All of the above got responses while the others were still waiting.
    waiting = [one for one in asked if not one.done()]
    assert len(refused) == TESTS - AT_ONCE
    assert len(waiting) == AT_ONCE
    for response in refused:
        assert (response.status_code, code_in(response)) == (503, "exchanges-busy")
        assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", sorted(EXCHANGES))
def test_each_call_that_makes_exchanges_says_that_there_are_too_many(
    hanging: tuple[Running, list[Future[httpx.Response]]], path: str
) -> None:
    service, _asked = hanging
    address = path.format(transmission_id=SOME_ID)
    if path.startswith(API):
        response = service.call(Scope.ADMIN, "POST", address)
        assert code_in(response) == "exchanges-busy"
    else:
        cookies, proof = service.log_in()
        form = {"csrf_token": proof, "request_key": SOME_ID, "frequency": "daily", "retention_days": "30"}
        headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
        response = service.client.post(address, data=form, headers=headers)
        assert ExchangesBusyError.sentence in response.text
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


def names_in(endpoint: Any) -> set[str]:  # noqa: ANN401 - whatever a route calls
    inner = getattr(endpoint, "__wrapped__", endpoint)
    code = getattr(inner, "__code__", None)
    return set() if code is None else {*code.co_names, *(c for one in code.co_consts for c in _names_of(one))}


def _names_of(constant: Any) -> tuple[str, ...]:  # noqa: ANN401 - a constant of a function
    return constant.co_names if hasattr(constant, "co_names") else ()


def test_no_route_makes_an_exchange_or_checks_a_password_in_the_threads_of_all(service: Running) -> None:
    routes = {(route.path_format, route.endpoint) for route in iter_route_contexts(service.app.routes)}
    exchanging = {path for path, endpoint in routes if names_in(endpoint) & _MAKES_EXCHANGES}
    assert exchanging == EXCHANGES
    checking = {path for path, endpoint in routes if names_in(endpoint) & _CHECKS_PASSWORDS}
    access = {f"{TAB}/access/{act}" for act in ("password", "end", "others/end")}
    assert checking == {"/login", f"{TAB}/api-key/reveal", *access}
    for path, endpoint in routes:
        if path in checking and names_in(endpoint) & _CHECKS_PASSWORDS:
            assert asyncio.iscoroutinefunction(endpoint), path


def test_a_flood_of_logins_blocks_no_one_else(run_databases: RunDatabases, tmp_path: Path) -> None:
    with Running(run_databases.sqlite(tmp_path), proxies=("127.0.0.1",)) as service:
        known = log_in(service, "192.0.2.1").cookies
        service.client.cookies.clear()
        with ThreadPoolExecutor(TESTS + 1) as callers, hashing_held(service):
            asked = [callers.submit(log_in, service, f"203.0.113.{number}") for number in range(TESTS)]
            wait_for(lambda: sum(one.done() for one in asked) >= TESTS - STRANGERS)
            again = callers.submit(log_in, service, "203.0.113.1", known)
            assert service.client.get("/login").status_code == 200
            assert service.call(Scope.READ, "GET", "telemetry/config").status_code == 200
            refused = [one.result() for one in asked if one.done()]
    assert again.result().status_code == 303
    assert len(refused) == TESTS - STRANGERS
    for response in refused:
        assert (response.status_code, response.headers["retry-after"]) == (429, "5")
        assert response.headers["content-type"].startswith("text/html")


def test_one_address_does_not_take_all_the_places_of_strangers(shared: Running) -> None:
    with ThreadPoolExecutor(8) as callers, hashing_held(shared):
        asked = [callers.submit(log_in, shared) for _ in range(8)]
        wait_for(lambda: sum(one.done() for one in asked) >= 8 - OF_ONE_ADDRESS)
    assert sorted(one.result().status_code for one in asked) == [303] * OF_ONE_ADDRESS + [429] * 6


def test_sessions_that_send_no_password_take_no_place_and_one_that_does_takes_two(
    run_databases: RunDatabases, tmp_path: Path
) -> None:
    with Running(run_databases.sqlite(tmp_path), PROVIDED) as service:
        known = log_in(service).cookies
        service.client.cookies.clear()
        viewer, copied = service.log_in_as(VIEWER), service.log_in()
        service.clock.advance(timedelta(minutes=11))
        asked = [(viewer, act, {"which": "all", "password": PASSWORD}) for act in ("access/end", "api-key/reveal")]
        asked += [(copied, act, {"which": "all"}) for act in ("access/end", "access/others/end", "api-key/reveal")]
        taking = [(copied, act, {"which": "all", "password": PASSWORD}) for act in ("access/end", "access/others/end")]
        taking += [(copied, "api-key/reveal", {"password": PASSWORD}), (copied, "access/password", {})]
        with ThreadPoolExecutor(TESTS) as callers, hashing_held(service):
            first = [callers.submit(press, service, *one) for one in asked * 4]
            assert {one.result().status_code for one in first} == {200, 403}
            more = [callers.submit(press, service, *one) for one in taking * 4]
            wait_for(lambda: sum(one.done() for one in more) == len(more) - OF_ONE_ADDRESS)
            again = callers.submit(log_in, service, "127.0.0.1", known)
            refused = [one.result().status_code for one in more if one.done()]
    assert refused == [429] * len(refused)
    assert again.result().status_code == 303


def press(service: Running, session: tuple[dict[str, str], str], act: str, form: dict[str, str]) -> httpx.Response:
    cookies, proof = session
    headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    return service.client.post(f"{TAB}/{act}", data={"csrf_token": proof} | form, headers=headers)


def log_in(service: Running, address: str = "127.0.0.1", cookies: httpx.Cookies | None = None) -> httpx.Response:
    known = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    headers = {"X-Forwarded-For": address} | ({"Cookie": known} if known else {})
    return service.client.post("/login", data={"name": "admin", "password": PASSWORD}, headers=headers)


def test_a_login_that_is_refused_for_now_says_for_how_long_on_the_page_too(shared: Running) -> None:
    wrong = {"name": "admin", "password": "a wrong password"}
    responses = [shared.client.post("/login", data=wrong) for _ in range(6)]
    shared.clock.advance(timedelta(days=1))
    assert responses[-1].status_code == 429
    assert responses[-1].headers["content-type"].startswith("text/html")
    assert int(responses[-1].headers["retry-after"]) >= 1


class PausableClock(FrozenClock):
    """A clock at which every worker thread that asks it stands still, until the test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.goes_on = threading.Semaphore(0), threading.Event()
        self.goes_on.set()

    def now(self) -> datetime:
        if not self.goes_on.is_set() and threading.current_thread().name.startswith("AnyIO"):
            self.asked.release()
            self.goes_on.wait(100)
        return super().now()


def test_a_probe_needs_none_of_the_threads_that_all_share(run_databases: RunDatabases, tmp_path: Path) -> None:
    clock = PausableClock()
    with Running(run_databases.sqlite(tmp_path), clock=clock) as service, ThreadPoolExecutor(TESTS) as callers:
        assert service.call(Scope.READ, "GET", "telemetry/history").status_code == 200
        clock.goes_on.clear()
        try:
            asked = [callers.submit(service.call, Scope.READ, "GET", "telemetry/history") for _ in range(TESTS)]
            for _ in range(ALL_THREADS):
                assert clock.asked.acquire(timeout=60)
            for path in ("/healthz", "/readyz"):
                assert service.client.get(path).status_code == 200
            assert not any(one.done() for one in asked)
        finally:
            clock.goes_on.set()
        assert [one.result().status_code for one in asked] == [200] * TESTS


def test_minor_4_one_person_or_token_has_one_of_the_places_in_which_the_ledger_is_verified() -> None:
    goes_on, context = threading.Event(), SimpleNamespace(pools=Pools())

    @checks_ledger
    def verify(**_given: object) -> bool:
        return goes_on.wait(60)

    def ask(actor: Actor) -> asyncio.Task[bool]:
        on_page = {"visit": SimpleNamespace(actor=actor, context=context)}
        called = {"context": context, "caller": Caller(actor, frozenset({Scope.READ}))}
        return asyncio.ensure_future(verify(**(on_page if actor.personal else called)))

    async def flood() -> list[bool | BaseException]:
        viewer, token = VIEWER.actor("192.0.2.7"), Actor(ActorKind.TOKEN, "t1", "checks")
        elsewhere, other = VIEWER.actor("192.0.2.8"), Actor(ActorKind.TOKEN, "t2", "checks too")
        asked = [ask(actor) for actor in [viewer] * 8 + [token] * 8 + [elsewhere, other]]
        await asyncio.sleep(0)
        goes_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = asyncio.run(flood())
    assert [outcomes[at] for at in (0, 8, 17)] == [True] * 3
    assert {type(one) for at, one in enumerate(outcomes) if at not in {0, 8, 17}} == {ChecksBusyError}


def test_the_routes_that_verify_the_ledger_count_by_person(shared: Running) -> None:
    routes = {(route.path_format, route.endpoint) for route in iter_route_contexts(shared.app.routes)}
    verifying = {path: endpoint for path, endpoint in routes if "check_ledger" in names_in(endpoint)}
    assert set(verifying) == {"/api/v1/ledger/verify", f"{TAB}/proof/verify"}
    assert all(asyncio.iscoroutinefunction(endpoint) for endpoint in verifying.values())


def test_a_pool_takes_so_many_and_lets_so_many_wait() -> None:
    goes_on = threading.Event()

    async def fill() -> list[bool]:
        pool = BoundedPool(2, ExchangesBusyError, waiting=1)
        tasks = [pool.begin(lambda: goes_on.wait(60)) for _ in range(3)]
        with pytest.raises(ExchangesBusyError):
            await pool.begin(lambda: True)
        goes_on.set()
        return [*await asyncio.gather(*tasks), await pool.begin(lambda: True)]

    assert asyncio.run(fill()) == [True] * 4

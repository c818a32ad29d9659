"""No caller takes all connections, and a probe always gets a response."""

import resource
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI, Request

from telemetry_service.web.http.connection_limits import ConnectionLimits
from tests.support.databases import RunDatabases
from tests.support.raw_http import GET, asking, connect, everything_from, one_response_from, response_to, served
from tests.support.running import Running

OK, REFUSED = b"HTTP/1.1 200 ", b"HTTP/1.1 503 "
PROBES = ["/healthz", "/readyz"]
SLOW_BODY = (
    b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\nname="
)
ANOTHER = "127.0.0.2"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/healthz")
    @app.get("/readyz")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/client")
    async def client(request: Request) -> dict[str, str]:
        return {"client": request.client.host if request.client else ""}

    return app


def test_an_address_has_its_share_and_another_one_still_comes_in(app: FastAPI) -> None:
    with served(app, connections=9, per_address=3) as port, ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(connect(port))
            connection.sendall(GET)
            assert one_response_from(connection).startswith(OK)
        assert response_to(port, asking("/client")).startswith(REFUSED)
        assert response_to(port, asking("/client"), ANOTHER).startswith(OK)


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("source", ["127.0.0.1", ANOTHER])
def test_beyond_every_limit_only_a_probe_gets_a_response(app: FastAPI, path: str, source: str) -> None:
    with served(app, connections=4, per_address=3) as port, ExitStack() as stack:
        for at in range(5):
            stack.enter_context(connect(port, "127.0.0.1" if at < 3 else ANOTHER))
        response = response_to(port, asking(path).replace(b"Connection: close\r\n", b""), source)
        assert response.startswith(OK)
        assert b"connection: close" in response.lower()  # It takes the place of the next probe no longer than it must.
        for request in (asking("/client"), SLOW_BODY, asking(path).replace(b"GET", b"PUT")):
            response = response_to(port, request, source)
            assert response.startswith(REFUSED)
            assert b"retry-after: 5" in response.lower()
            assert b'problem:overloaded"' in response
        response = response_to(port, asking("/client", "X-Request-Id: mine-1"), source)
        assert b"x-request-id: mine-1\r\n" in response.lower()


def test_those_beyond_the_limits_who_say_nothing_make_room_for_a_probe(app: FastAPI) -> None:
    with served(app, connections=1, for_probes=2) as port, ExitStack() as stack:
        silent = [stack.enter_context(connect(port)) for _ in range(12)]
        assert response_to(port, asking("/healthz")).startswith(OK)
        with pytest.raises(ConnectionResetError):
            everything_from(silent[1])
        silent[0].sendall(GET)  # Who was within the limits stays.
        assert one_response_from(silent[0]).startswith(OK)


def test_the_connections_of_a_trusted_proxy_are_counted_by_whom_it_serves_and_its_own_are_free() -> None:
    app, arrived, goes_on = FastAPI(openapi_url=None), threading.Semaphore(0), threading.Event()

    @app.get("/wait")
    def wait() -> dict[str, str]:
        arrived.release()
        goes_on.wait(60)
        return {"status": "waited"}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    # The first one has an address that is trusted, too: that exempts nobody but the proxy itself (A1).
    one, other = "X-Forwarded-For: 192.168.1.50", "X-Forwarded-For: 203.0.113.10"
    with served(app, 30, per_address=3, proxies=["127.0.0.1", "192.168.0.0/16"]) as port, ExitStack() as stack:
        under_way = [stack.enter_context(connect(port)) for _ in range(3)]
        for connection in under_way:
            connection.sendall(asking("/wait", one))
            assert arrived.acquire(timeout=60)
        assert response_to(port, asking("/wait", one)).startswith(REFUSED)
        assert response_to(port, asking("/healthz", one)).startswith(OK)
        assert response_to(port, asking("/healthz", other)).startswith(OK)
        own = [stack.enter_context(connect(port)) for _ in range(4)]
        for connection in own:
            connection.sendall(asking("/wait"))
            assert arrived.acquire(timeout=60)
        goes_on.set()
        for connection in (*under_way, *own):
            assert everything_from(connection).startswith(OK)
        assert response_to(port, asking("/wait", one)).startswith(OK)


@pytest.fixture(scope="module")
def small(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole service, with limits that a test reaches quickly."""
    database = run_databases.sqlite(tmp_path_factory.mktemp("small"))
    with Running(database, limits=ConnectionLimits(at_once=30, per_address=20, for_probes=5)) as running:
        yield running


ATTACKS = {
    "unread responses": b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 40,
    "slow bodies": SLOW_BODY,
    "slow heads": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_service_responds_to_probes_while_it_is_attacked(small: Running, attack: str) -> None:
    port = small.client.base_url.port or 0
    with ExitStack() as stack:
        for at in range(60):
            source = f"127.0.0.{at // 20 + 1}"
            connection = stack.enter_context(connect(port, source, reads_little=True))
            try:
                connection.sendall(ATTACKS[attack])
            except ConnectionError:
                assert at > 20  # Beyond the limits it may have been ended already.
        for path in PROBES:
            assert response_to(port, asking(path)).startswith(OK)
            assert response_to(port, asking(path), "127.0.0.9").startswith(OK)


def test_a_process_that_may_open_few_files_takes_fewer_connections() -> None:
    assert ConnectionLimits.of_this_process() == ConnectionLimits(900, 300, 100)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        limits = ConnectionLimits.of_this_process()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert limits == ConnectionLimits(800, 266, 100)
    assert limits.at_once + limits.for_probes < 1024

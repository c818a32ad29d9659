"""What the server itself refuses is a problem document too, and nobody can hold a connection for ever."""

import json
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from fastapi import FastAPI, Request

from telemetry_service.web.errors.problem import PROBLEM_TYPE
from telemetry_service.web.http.caller_connection import CallerConnection
from tests.support.each import each
from tests.support.raw_http import GET, Prompted, connect, everything_from, one_response_from, served
from tests.support.running import Running

LATE = GET.replace(b"healthz", b"late")


def problem_in(response: bytes, status: int, code: str) -> dict[str, Any]:
    """Return the document of a refusal after which the connection ends, after a look at its headers."""
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    document: dict[str, Any] = json.loads(body)
    assert first.startswith(f"http/1.1 {status} ")
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(body))
    assert headers["connection"] == "close"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert document["type"] == PROBLEM_TYPE + code
    assert document["status"] == status
    return document


@each(
    "rubbish",
    [
        b"rubbish\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000,
        b"PUT /api/v1/license HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
def test_what_is_no_http_is_refused_as_everything_else_is(shared: Running, rubbish: bytes) -> None:
    with connect(shared.client.base_url.port or 0) as connection:
        connection.sendall(rubbish)
        response = everything_from(connection)
    if b"/api/v1/" in rubbish:  # Who it is, is asked before the body is read: both may come first.
        assert response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
        return
    document = problem_in(response, 400, "request-malformed")
    assert "xxxx" not in document["detail"]


def test_pipelined_requests_get_their_responses_in_order(shared: Running) -> None:
    last = GET.replace(b"Host: a", b"Host: a\r\nConnection: close")
    with connect(shared.client.base_url.port or 0) as connection:
        connection.sendall(GET + GET + last)
        assert everything_from(connection).count(b'"status":"alive"') == 3


class Hasty(CallerConnection):
    """A connection on which a request has little time to arrive."""

    request_seconds = 1


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/late")
    async def late() -> dict[str, str]:
        for connection in Prompted.alive:
            connection._end_if_late()  # noqa: SLF001 - what its clock does
        return {"status": "late"}

    @app.post("/body")
    async def body(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return app


def test_one_connection_too_many_is_refused_and_the_others_continue(app: FastAPI) -> None:
    with served(app, 3) as port, ExitStack() as stack:
        open_ones = [stack.enter_context(connect(port)) for _ in range(3)]
        for connection in open_ones:
            connection.sendall(GET)
            assert one_response_from(connection).startswith(b"HTTP/1.1 200 ")
        with connect(port) as too_many:
            response = everything_from(too_many)
        problem_in(response, 503, "overloaded")
        assert b"retry-after: 5" in response.lower()
        open_ones[0].sendall(GET)
        assert one_response_from(open_ones[0]).startswith(b"HTTP/1.1 200 ")
        open_ones.pop().close()
        response = b""
        while not response.startswith(b"HTTP/1.1 200 "):  # The server takes a moment to see that there is room again.
            with connect(port) as another, suppress(ConnectionError):
                another.sendall(GET)
                response = one_response_from(another)


@pytest.mark.parametrize(
    "beginning",
    [b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234"],
)
def test_an_unfinished_request_is_ended_and_a_response_may_take_its_time(app: FastAPI, beginning: bytes) -> None:
    with served(app, 9, kind=Prompted) as port, connect(port) as connection:
        connection.sendall(beginning)
        with connect(port) as another:
            another.sendall(LATE)
            # The caller has sent its whole request, so it gets a response.
            assert one_response_from(another).endswith(b'{"status":"late"}')
        problem_in(everything_from(connection), 408, "request-timeout")


def test_a_trickle_does_not_prolong_it(app: FastAPI) -> None:
    with served(app, 9, kind=Hasty) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.02)
        response = b""
        while not response:
            try:
                connection.sendall(b"X: x\r\n")
                response = connection.recv(65_536)
            except TimeoutError:
                continue
            except ConnectionError:
                break  # It was closed while the next line was on its way.
        assert not response or response.startswith(b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_is_said_is_closed(app: FastAPI) -> None:
    with served(app, 9, kind=Hasty) as port, connect(port) as connection:
        assert everything_from(connection) == b""


@pytest.mark.parametrize(("size", "passes"), [(27_000, True), (33_000, False), (70_000, False)])
def test_a_head_has_its_bound_although_it_arrives_at_once(app: FastAPI, size: int, *, passes: bool) -> None:
    request = GET.replace(b"Host: a", b"Host: a\r\nConnection: close\r\nX: " + b"x" * size)
    with served(app, 9) as port, connect(port) as connection, suppress(ConnectionError):
        connection.sendall(request)
        response = everything_from(connection)
        assert response.startswith(b"HTTP/1.1 200 " if passes else b"HTTP/1.1 400 ")


def test_trailers_have_it_too(app: FastAPI) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served(app, 9) as port, connect(port) as connection, suppress(ConnectionError):
        connection.sendall(head + b"1\r\nx\r\n0\r\nX: " + b"x" * 70_000 + b"\r\n\r\n")
        assert everything_from(connection).startswith(b"HTTP/1.1 400 ")

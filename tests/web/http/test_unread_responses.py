"""A caller that does not read a response is cut off, and meanwhile costs no more than that one response."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, ClassVar, cast

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.support.raw_http import Prompted, asking, connect, everything_from, is_cut_off, response_to, served

LARGE = 2 * 1024 * 1024
"""More than the system itself takes for a caller who reads nothing."""

KINDS = {
    "bytes": b"GET /bytes HTTP/1.1\r\nHost: a\r\n\r\n",
    "json": b"GET /json HTTP/1.1\r\nHost: a\r\n\r\n",
    "export": b"GET /export HTTP/1.1\r\nHost: a\r\n\r\n",
    "steps": b"GET /steps HTTP/1.1\r\nHost: a\r\n\r\n",
    "last response": b"GET /bytes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "small responses": b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n" * 1000,
    "no HTTP after a response": b"GET /bytes HTTP/1.1\r\nHost: a\r\n\r\nrubbish\r\n\r\n",
}


class Counting(FastAPI):
    """An application with a response of each kind, which counts how often the large one was requested."""

    calls = 0


@pytest.fixture
def app() -> Counting:
    app = Counting(openapi_url=None)

    @app.get("/bytes")
    async def get_bytes() -> Response:
        app.calls += 1
        return Response(b"x" * LARGE)

    @app.get("/json")
    def get_json() -> JSONResponse:
        return JSONResponse({"x": "x" * LARGE})

    @app.get("/export")
    def get_export() -> StreamingResponse:
        def lines() -> Iterator[str]:
            while True:
                yield "x" * 1000

        return StreamingResponse(lines())

    @app.get("/small")
    async def get_small() -> Response:
        return Response(b"x" * 20_000)

    app.get("/steps")(get_steps)
    app.get("/look")(look_whether_read)
    return app


async def get_steps() -> StreamingResponse:
    async def steps() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x" * 1000

    return StreamingResponse(steps())


async def look_whether_read() -> None:
    for connection in list(Prompted.alive):
        connection._check_whether_read()  # noqa: SLF001 - what its clock does


def look(port: int) -> None:
    assert response_to(port, asking("/look")).startswith(b"HTTP/1.1 200 ")


def taken() -> int:
    return max((connection._measured.taken for connection in list(Prompted.alive)), default=LARGE)  # noqa: SLF001


def wait_for_progress(since: int) -> None:
    """Wait until the server has noticed that somebody read, or has nothing left to write."""
    until = time.monotonic() + 60
    while taken() - since < 20_000 and any(connection._measured.unread for connection in list(Prompted.alive)):  # noqa: SLF001
        assert time.monotonic() < until
        time.sleep(0.01)


def wait_for_unread() -> None:
    """Wait until the server has something that it cannot get rid of."""
    until = time.monotonic() + 60
    while not any(connection._measured.unread for connection in list(Prompted.alive)):  # noqa: SLF001 - to look at
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_caller_that_reads_none_of_a_response_is_cut_off_at_the_second_check(app: FastAPI, kind: str) -> None:
    with served(app, 9, kind=Prompted) as port, connect(port, reads_little=True) as connection:
        connection.sendall(KINDS[kind])
        wait_for_unread()
        look(port)
        assert len(Prompted.alive) >= 1
        look(port)
        assert is_cut_off(connection)


def test_who_reads_slowly_gets_all_of_it(app: FastAPI) -> None:
    with served(app, 9, kind=Prompted) as port, connect(port, reads_little=True) as connection:
        connection.sendall(KINDS["last response"])
        wait_for_unread()
        response = b""
        while len(response) < LARGE:
            look(port)
            before = taken()
            piece = connection.recv(LARGE // 16)
            wanted = len(response) + LARGE // 16
            while piece and len(response) < wanted:
                response += piece
                piece = connection.recv(65_536)
            response += piece
            wait_for_progress(before)
        assert (response + everything_from(connection)).endswith(b"x" * LARGE)


def test_it_happens_automatically(app: FastAPI) -> None:
    class Impatient(Prompted):
        read_check_seconds = 0.2

    with served(app, 9, kind=Impatient) as port, connect(port, reads_little=True) as connection:
        connection.sendall(KINDS["bytes"])
        assert is_cut_off(connection)


def test_the_next_of_several_requests_begins_when_the_response_before_it_was_read(app: Counting) -> None:
    with served(app, 9, kind=Prompted) as port, connect(port, reads_little=True) as connection:
        connection.sendall(KINDS["bytes"] * 2 + KINDS["last response"])
        wait_for_unread()
        for _ in range(3):
            assert response_to(port, asking("/small")).startswith(b"HTTP/1.1 200 ")
        assert app.calls == 1
        assert everything_from(connection).count(b"HTTP/1.1 200 ") == 3
        assert app.calls == 3


def test_a_caller_that_sends_many_requests_before_the_first_response_is_cut_off(app: FastAPI) -> None:
    with served(app, 9, kind=Prompted) as port, connect(port, reads_little=True) as connection:
        with suppress(ConnectionError):
            connection.sendall(KINDS["bytes"] * 20_000)
        assert is_cut_off(connection)


class Noting:
    """A transport that notes what is written at a time."""

    written: ClassVar[list[int]] = []

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the transport
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self.written.append(len(data))
        self._transport.write(data)


class Noted(Prompted):
    """A connection whose writes are noted."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Noting(transport)))


@pytest.fixture
def written(app: Counting) -> Iterator[tuple[int, list[int]]]:
    """The port of a server whose writes are noted, and their sizes."""
    Noting.written.clear()
    with served(app, 9, kind=Noted) as port:
        yield port, Noting.written


def test_the_head_and_the_body_of_a_response_are_written_together(written: tuple[int, list[int]]) -> None:
    port, sizes = written
    response = response_to(port, asking("/small"))
    assert sizes == [len(response)]


def test_a_long_response_is_written_while_it_is_made(written: tuple[int, list[int]]) -> None:
    port, sizes = written
    with connect(port) as connection:
        connection.sendall(KINDS["steps"])
        for _ in range(20):
            connection.recv(65_536)
    assert max(sizes) < 2 * 64 * 1024

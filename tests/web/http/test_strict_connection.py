"""The head's limit is the documented one, and what two readers could understand differently is not read at all."""

import socket
from collections.abc import Callable

import pytest

from telemetry_service.web.http.strict_connection import HEADER_BYTES
from tests.support.each import each
from tests.support.raw_http import GET, connect, everything_from
from tests.support.running import Running

START, END = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ", b"\r\n\r\n"


def head(size: int) -> bytes:
    """Return a request of this size."""
    return START + b"x" * (size - len(START) - len(END)) + END


def send(service: Running, *pieces: bytes) -> bytes:
    with connect(service.client.base_url.port or 0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return everything_from(connection)


WAYS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "at once": lambda request: (request,),
    "in pieces": lambda request: tuple(request[at : at + 1000] for at in range(0, len(request), 1000)),
    "all but its end": lambda request: (request[:-1], request[-1:]),
    "behind another request": lambda request: (GET + request,),
}


@each("way", WAYS)
def test_a_head_of_32_kib_passes_and_a_byte_more_does_not(shared: Running, way: str) -> None:
    assert HEADER_BYTES == 32_768
    answered = way == "behind another request"
    fits = send(shared, *WAYS[way](head(HEADER_BYTES)))
    assert fits.count(b"HTTP/1.1 200 ") == 1 + answered
    refused = send(shared, *WAYS[way](head(HEADER_BYTES + 1)))
    assert (refused.count(b"HTTP/1.1 200 "), refused.count(b"HTTP/1.1 400 ")) == (answered, 1)


CHUNKED = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nname=x\r\n"
AMBIGUOUS = {
    "a bare line feed": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "one bare line feed": b"GET /healthz HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "a bare end": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "a header folded with a tab": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    "a trailer": CHUNKED + b"0\r\nX: y\r\n\r\n",
    "a large trailer": CHUNKED + b"0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    "a body that ends with a bare line feed": CHUNKED + b"0\r\n\n",
}


@each("case", AMBIGUOUS)
def test_what_a_proxy_may_read_differently_is_refused(shared: Running, case: str) -> None:
    response = send(shared, AMBIGUOUS[case])
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"request-malformed" in response


def test_a_body_in_chunks_is_read_however_it_arrives(shared: Running) -> None:
    whole = CHUNKED + b"0\r\n\r\n"
    for pieces in ((whole,), tuple(whole[at : at + 1] for at in range(len(whole))), (whole[:-2], whole[-2:])):
        assert send(shared, *pieces).startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 429 "))


@pytest.fixture(autouse=True, scope="module")
def no_failures_left(shared: Running) -> None:
    """Other tests of this service log in from the same address."""
    with shared.context.runtime.database.write() as tx:
        tx.attempt_counts.forget_all()

"""HTTP as bytes on a socket, for callers who do what no client library does, and a server for them."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import uvicorn
from fastapi import FastAPI

from telemetry_service.web.http.caller_connection import CallerConnection
from telemetry_service.web.http.connection_limits import ConnectionLimits
from telemetry_service.web.http.server import server_config

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
_PATIENCE_SECONDS = 60
_LITTLE = 64 * 1024


def connect(port: int, source: str = "127.0.0.1", *, reads_little: bool = False) -> socket.socket:
    """Connect from an address of the loopback; one that reads little has little room for what is sent to it."""
    connection = socket.socket()
    connection.settimeout(_PATIENCE_SECONDS)
    if reads_little:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def everything_from(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    response = b""
    while piece := connection.recv(65_536):
        response += piece
    return response


def one_response_from(connection: socket.socket) -> bytes:
    """Read one response, whose body is a JSON object."""
    response = b""
    while not response.endswith(b"}"):
        piece = connection.recv(65_536)
        assert piece, response
        response += piece
    return response


def response_to(port: int, request: bytes, source: str = "127.0.0.1") -> bytes:
    """Send a request on a connection of its own and return what comes until its end."""
    with connect(port, source) as connection:
        connection.sendall(request)
        return everything_from(connection)


def asking(path: str, *headers: str) -> bytes:
    """Return a request after whose response the connection ends."""
    lines = (f"GET {path} HTTP/1.1", "Host: a", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode()


def is_cut_off(connection: socket.socket) -> bool:
    """Wait until the other side has thrown the connection away, without reading anything."""
    poll = select.poll()
    poll.register(connection, 0)  # Errors and the end are always reported.
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(_PATIENCE_SECONDS * 1000))


class Prompted(CallerConnection):
    """A connection whose time is over when the test says so, so that no test depends on how quick a machine is."""

    read_check_seconds = 3600.0
    alive: ClassVar[set["Prompted"]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive.discard(self)
        super().connection_lost(exc)


@contextmanager
def served(
    app: FastAPI,
    connections: int,
    per_address: int | None = None,
    for_probes: int = 100,
    *,
    kind: type[CallerConnection] = CallerConnection,
    proxies: Sequence[str] = (),
) -> Iterator[int]:
    """Give the port of a server that takes so many connections."""
    limits = ConnectionLimits(connections, per_address or connections, for_probes)
    config = server_config(app, "127.0.0.1", 0, proxies, limits, kind)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()

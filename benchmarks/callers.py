"""Callers over HTTP whose own cost is small: prepared bytes on open connections."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection  # noqa: TID251 - the callers' side; it takes no part in the service
from typing import Any

from benchmarks.served import HOST, Server


def seconds_of(port: int, method: str, path: str, headers: dict[str, str], times: int, body: bytes = b"") -> float:
    """Return how long one call takes: the median of several on one connection."""
    connection = HTTPConnection(HOST, port)
    taken = sorted(_one(connection, method, path, headers, body) for _ in range(times))
    connection.close()
    return taken[len(taken) // 2]


def cpu_seconds_of(server: Server, path: str, headers: dict[str, str], times: int) -> float:
    """Return the processor time that a server uses for one GET. Waiting for a core of a busy machine does not count."""
    seconds_of(server.port, "GET", path, headers, 2)
    before = server.cpu_seconds()
    seconds_of(server.port, "GET", path, headers, times)
    return (server.cpu_seconds() - before) / times


def size_of(port: int, path: str, headers: dict[str, str]) -> int:
    """Return the number of bytes of a response."""
    connection = HTTPConnection(HOST, port)
    connection.request("GET", path, headers=headers)
    return len(connection.getresponse().read())


def _one(connection: HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes) -> float:
    began = time.perf_counter()
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    text = response.read()
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise SystemExit(text.decode())
    return time.perf_counter() - began


def seconds_for_all(port: int, path: str, headers: dict[str, str], bodies: Sequence[bytes], connections: int) -> float:
    """Return the seconds until all bodies were posted over several connections, by another process."""
    spawn = multiprocessing.get_context("spawn")
    result: Any = spawn.Queue()
    process = spawn.Process(target=_post_all, args=(port, path, headers, list(bodies), connections, result))
    process.start()
    seconds = float(result.get())
    process.join()
    return seconds


def _post_all(
    port: int,
    path: str,
    headers: dict[str, str],
    bodies: list[bytes],
    connections: int,
    result: Any,  # noqa: ANN401 - a queue
) -> None:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}"
    requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    result.put(asyncio.run(_through(port, requests, connections)))


async def _through(port: int, requests: list[bytes], connections: int) -> float:
    left = iter(requests)
    opened = [await asyncio.open_connection(HOST, port) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(_caller(reader, writer, left) for reader, writer in opened))
    return time.perf_counter() - began


async def _caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: Any) -> None:  # noqa: ANN401 - an iterator that all share
    for request in left:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise SystemExit(head.decode())
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()

"""A port of its own for the metrics: only they are there, without a token, and only for this machine."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from telemetry_service.web.metrics import port
from telemetry_service.web.metrics.port import metrics_port
from tests.support.running import UNUSED_TLS


@pytest.fixture
def registry() -> CollectorRegistry:
    """Metrics with one counter."""
    made = CollectorRegistry()
    Counter("visits", "How often.", registry=made).inc(3)
    return made


@pytest.fixture
def address(registry: CollectorRegistry) -> Iterator[str]:
    """The address of a port that serves them."""
    with socket.create_server(("127.0.0.1", 0)) as listener, metrics_port(listener, registry):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30, verify=UNUSED_TLS) as made:
        yield made


def test_it_serves_the_metrics_and_nothing_else(address: str, client: httpx.Client) -> None:
    found = client.get(f"{address}/metrics")
    assert (found.status_code, "visits_total 3.0" in found.text) == (200, True)
    for path in ("/", "/healthz", "/metrics/", "/api/v1/telemetry/health", "/%2e%2e/etc/passwd"):
        refused = client.get(f"{address}{path}")
        assert (refused.status_code, refused.text) == (404, "Only /metrics is served here.\n"), path


def test_callers_that_say_nothing_keep_no_one_out_for_long(
    address: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry_service.web.metrics.port._Request.timeout", 0.5)
    host, number = address.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(number))) for _ in range(port.SCRAPES + 4)]
    try:
        until = time.monotonic() + 60
        while True:
            try:
                assert client.get(f"{address}/metrics").status_code == 200
                break
            except httpx.TransportError:  # All places are taken by those who say nothing.
                assert time.monotonic() < until
    finally:
        for one in silent:
            one.close()


def test_rubbish_harms_nothing(address: str, client: httpx.Client) -> None:
    host, number = address.removeprefix("http://").split(":")
    for rubbish in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"A" * 100_000, b"GET /metrics HTTP/9.9\r\n\r\n", b"\r\n"):
        with socket.create_connection((host, int(number))) as connection:
            with suppress(OSError):  # The service may have closed it already.
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(30)
            while _read(connection):
                pass
        assert client.get(f"{address}/metrics").status_code == 200


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""


def test_the_port_is_free_again_at_the_end(registry: CollectorRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        with metrics_port(listener, registry):
            pass
    with socket.create_server(("127.0.0.1", number)):
        pass

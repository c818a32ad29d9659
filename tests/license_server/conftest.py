"""A fault server, and a client that knows it by its authority only."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import pytest

from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Outcome
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.sealing.sealer import seal_ping
from tests.support.fault_server import FaultServer

API_KEY = "test-key-of-the-license-server-client"
NOW = datetime(2026, 11, 15, 2, 3, 17, tzinfo=UTC)
TRANSMISSION_ID = UUID("0193b2f6-7a00-7000-8000-000000000001")

SHORT = ExchangeLimits(deadline=timedelta(seconds=0.5))
"""For the faults that only the deadline ends."""
LONGER = ExchangeLimits(deadline=timedelta(seconds=4))
"""For those before which something has to arrive, on a loaded machine too."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultServer]:
    """A fault server that is listening."""
    with FaultServer(tmp_path) as listening:
        yield listening


@pytest.fixture
def endpoint(server: FaultServer) -> Endpoint:
    """Where the fault server is."""
    return Endpoint(server.url, server.ca_pem_path, None, "control-core-telemetry/1.2.3")


@pytest.fixture
def message() -> SealedMessage:
    """A signed message; what is in it does not matter here."""
    return seal_ping(TRANSMISSION_ID, 1_763_172_197, API_KEY)


@pytest.fixture
def transmit(endpoint: Endpoint, message: SealedMessage) -> Callable[..., Outcome]:
    """Send the message to the fault server, within the given limits."""

    def send(limits: ExchangeLimits | None = None, known_bodies: tuple[str, ...] = ()) -> Outcome:
        client = LicenseServerClient(endpoint, limits or ExchangeLimits())
        return client.transmit(message, known_bodies, NOW)

    return send


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[FaultServer]:
    """A server that nobody may ever contact."""
    folder = tmp_path / "trap"
    folder.mkdir()
    with FaultServer(folder) as listening:
        yield listening


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the system's resolver, which cannot be given a time limit, hang until the test is over."""
    over = threading.Event()

    def hang(*_: object, **__: object) -> NoReturn:
        over.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    over.set()

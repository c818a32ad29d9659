"""A service that can send, for the clients."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.connected import connected_service, connection_to
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer
from tests.support.running import Running


@pytest.fixture
def connected(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    """Run a service that has its API key and nothing to send yet."""
    clock = FrozenClock()
    with (
        LicenseServer(tmp_path / "license-server", clock) as license_server,
        connected_service(sqlite_url, connection_to(license_server), clock) as running,
    ):
        yield running


@pytest.fixture
def document(connected: Running, tmp_path: Path) -> Path:
    """The description as a file."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(connected.call(None, "GET", "openapi.json").json()))
    return file


@pytest.fixture
def given(connected: Running) -> list[str]:
    """What a story is given: the address, and the tokens of a reporter and an administrator."""
    return [str(connected.client.base_url), connected.tokens[Scope.REPORT], connected.tokens[Scope.ADMIN]]

"""The real service, and a folder for spools."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.python.tests.support import Service
from tests.support.fault_server import FaultServer
from tests.support.running import Running


@pytest.fixture
def service(sqlite_url: str) -> Iterator[Service]:
    with Running(sqlite_url) as running:
        yield Service(running)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultServer]:
    """What stands where the service should be."""
    with FaultServer(tmp_path) as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"

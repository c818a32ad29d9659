"""docs/privacy.md lists what is sent: each of its headers is sent, and no other."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.sealing.sealer import seal_ping
from tests.support import connect_proxy, faults
from tests.support.fault_server import FaultServer
from tests.support.privacy_page import Header, headers

NOW = datetime(2026, 11, 15, 2, 3, 17, tzinfo=UTC)
EVERY = {"every request", "every tunnel"}


def test_the_headers_of_a_request_are_those_of_the_table(tmp_path: Path) -> None:
    with FaultServer(tmp_path, faults.accept) as server:
        send(Endpoint(server.url, server.ca_pem_path, user_agent="control-core-telemetry/1.2.3"))
    agree(server.requests[0].headers, headers(), EVERY)


@pytest.mark.parametrize("credentials", ["", "user:password@"])
def test_the_headers_to_a_proxy_are_those_of_the_table(tmp_path: Path, credentials: str) -> None:
    with (
        FaultServer(tmp_path, faults.accept) as server,
        connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel) as proxy,
    ):
        send(Endpoint(server.url, server.ca_pem_path, f"http://{credentials}127.0.0.1:{proxy.port}"))
    with_credentials = {"credentials in the proxy's URL"} if credentials else set()
    agree(proxy.requests[0].headers, headers("header to the proxy"), EVERY | with_credentials)


def send(endpoint: Endpoint) -> None:
    sent = seal_ping(UUID(str(time_ordered_id(NOW))), int(NOW.timestamp()), "test-key-of-the-privacy-page")
    assert LicenseServerClient(endpoint).check_connection(sent).ok


def agree(sent: dict[str, str], table: Sequence[Header], circumstances: set[str]) -> None:
    """Compare header by header, with their order and the form of their values."""
    rows = [row for row in table if row.sent_with in circumstances]
    assert [row.name.lower() for row in rows] == list(sent)
    for row in rows:
        assert re.fullmatch(row.values, sent[row.name.lower()]), (row, sent)

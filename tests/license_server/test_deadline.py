"""The deadline ends an exchange in every layer, and nothing of the exchange is left behind."""

import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Retrying
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from tests.license_server.conftest import NOW
from tests.support import connect_proxy, faults
from tests.support.fault_server import FaultServer, Mode

HANGS = 60
"""Seconds for which the resolver hangs, as long as the test of it has in all."""

LONG_ENOUGH_FOR_TLS = ExchangeLimits(deadline=timedelta(seconds=3))
"""On a machine that has other things to do."""

RESOLVER_HANGS = f"""
import socket, time
from datetime import UTC, datetime, timedelta
from uuid import UUID
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.sealing.sealer import seal_ping

socket.getaddrinfo = lambda *_, **__: time.sleep({HANGS})
client = LicenseServerClient(Endpoint("https://license.example"), ExchangeLimits(timedelta(seconds=0.1)))
ping = seal_ping(UUID(int=1), 1_763_172_197, "test-key-of-a-resolver-that-hangs")
print(client.transmit(ping, (), datetime.now(UTC)).cause)
"""


def test_a_resolver_that_hangs_keeps_neither_the_exchange_nor_the_process_from_ending() -> None:
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", RESOLVER_HANGS], capture_output=True, text=True, check=True)
    assert time.monotonic() - began < HANGS
    assert (ended.stdout, ended.stderr) == (f"{Cause.DEADLINE_EXCEEDED}\n", "")


@pytest.mark.parametrize("mode", [faults.hang_at_tls, faults.hang_within_tls, faults.trickle])
def test_the_deadline_ends_what_hangs_or_trickles_within_two_layers_of_tls(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, tmp_path: Path, mode: Mode
) -> None:
    server.mode = mode
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel_over_tls) as proxy:
        both = tmp_path / "both.pem"
        both.write_bytes(server.ca_pem_path.read_bytes() + proxy.ca_pem_path.read_bytes())
        proxied = replace(endpoint, ca_file=both, proxy_url=f"https://127.0.0.1:{proxy.port}")
        outcome = LicenseServerClient(proxied, LONG_ENOUGH_FOR_TLS).transmit(message, (), NOW)
        assert outcome == Retrying(Cause.DEADLINE_EXCEEDED)
        assert proxy.saw_a_hang_up()
    assert server.saw_a_hang_up()


def test_an_address_that_swallows_everything_leaves_the_others_their_time(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.mode = faults.accept
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    by_name = replace(endpoint, base_url=f"https://localhost:{server.port}")
    with socket.create_server(("127.0.0.2", server.port), backlog=0) as full, socket.socket() as waiting:
        waiting.connect(full.getsockname())  # One in the queue, and Linux drops what comes after it.
        outcome = LicenseServerClient(by_name, LONG_ENOUGH_FOR_TLS).transmit(message, (), NOW)
    assert outcome == Accepted(200, duplicate=False)

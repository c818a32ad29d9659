"""One host, written in each way that a URL has, is the same host to the certificate, to the proxy and to the server."""

import ssl
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Held, Retrying
from telemetry_service.license_server.absolute_name import absolute_name
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from tests.license_server.conftest import NOW
from tests.support import connect_proxy, faults
from tests.support.each import each
from tests.support.fault_server import FaultServer


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("LocalHost", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]", "[::1]"),
    ],
)
def test_through_a_proxy_every_way_to_write_the_host_is_accepted(
    server: FaultServer,
    endpoint: Endpoint,
    message: SealedMessage,
    tmp_path: Path,
    host: str,
    said: str,
) -> None:
    server.mode = faults.accept
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel_home) as proxy:
        proxied = replace(
            endpoint, base_url=f"https://{host}:{server.port}", proxy_url=f"http://127.0.0.1:{proxy.port}"
        )
        assert LicenseServerClient(proxied).transmit(message, (), NOW) == Accepted(200, duplicate=False)
    [connect] = proxy.requests
    assert (connect.path, connect.headers["host"]) == (f"{host.lower()}:{server.port}",) * 2
    assert server.requests[0].headers["host"] == f"{said}:{server.port}"


def test_the_final_dot_is_for_the_resolver_and_the_license_server_gets_the_name_without_it(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, tmp_path: Path
) -> None:
    named: list[str | None] = []

    def note_the_name(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        named.append(name)

    server.certificates.good.sni_callback = note_the_name
    server.mode = faults.accept
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel_home) as proxy:
        proxied = replace(
            endpoint, base_url=f"https://localhost.:{server.port}", proxy_url=f"http://127.0.0.1:{proxy.port}"
        )
        LicenseServerClient(proxied).transmit(message, (), NOW)
    assert named == ["localhost"]


def test_the_resolver_is_asked_once_for_the_complete_name(message: SealedMessage) -> None:
    """So that it adds no search domain. The name is longer than one can be, so that no name server is asked."""
    host = ".".join(["no-such-host" * 5] * 5)
    asked = names_asked_for()
    assert LicenseServerClient(Endpoint(f"https://{host}")).transmit(message, (), NOW) == Retrying(
        Cause.NAME_NOT_RESOLVED
    )
    assert asked == [f"{host}."]


def test_through_a_proxy_only_the_proxy_is_looked_up_as_it_is_written(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, tmp_path: Path
) -> None:
    server.mode = faults.accept
    asked = names_asked_for()
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel_home) as proxy:
        proxied = replace(
            endpoint,
            base_url=f"https://license-server.example:{server.port}",
            proxy_url=f"http://localhost:{proxy.port}",
        )
        LicenseServerClient(proxied).transmit(message, (), NOW)
    assert proxy.requests[0].path == f"license-server.example:{server.port}"
    assert asked == ["localhost"]


HOSTS = """
127.0.0.1\tlocalhost  # the machine itself
10.0.0.7 license-server.example License-Server
# 10.0.0.8 commented.example
"""


@each(
    ("host", "complete"),
    [
        ("telemetry.vendor.example", "telemetry.vendor.example."),
        ("telemetry.vendor.example.", "telemetry.vendor.example."),
        ("telemetry", "telemetry."),
        ("commented.example", "commented.example."),
        ("license-server.example", "license-server.example"),
        ("LICENSE-SERVER", "LICENSE-SERVER"),
        ("localhost", "localhost"),
        ("192.0.2.7", "192.0.2.7"),
        ("127.1", "127.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_a_name_is_complete_unless_the_hosts_file_has_it(host: str, complete: str, tmp_path: Path) -> None:
    hosts_file = tmp_path / "hosts"
    hosts_file.write_text(HOSTS)
    assert absolute_name(host, hosts_file) == complete


def test_without_a_hosts_file_every_name_is_complete(tmp_path: Path) -> None:
    assert absolute_name("localhost", tmp_path / "hosts") == "localhost."


def names_asked_for() -> list[str]:
    """Return the names that the resolver is asked for from now on, in a list that grows."""
    asked: list[str] = []

    def listen(event: str, details: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            name = details[0].decode() if isinstance(details[0], bytes) else str(details[0])
            # The proxy of a test connects by address.
            asked.extend({name} - {"127.0.0.1"})

    sys.addaudithook(listen)
    return asked


def test_a_common_name_is_no_name_of_a_host(server: FaultServer, endpoint: Endpoint, message: SealedMessage) -> None:
    at_home = replace(endpoint, base_url=f"https://localhost:{server.port}")
    server.mode = faults.accept
    assert LicenseServerClient(at_home).transmit(message, (), NOW) == Accepted(200, duplicate=False)
    server.mode = faults.certificate_with_a_common_name_only
    assert LicenseServerClient(at_home).transmit(message, (), NOW) == Held(Cause.CERTIFICATE_WRONG_HOST)


def test_a_base_url_with_a_path_keeps_it(server: FaultServer, endpoint: Endpoint, message: SealedMessage) -> None:
    server.mode = faults.accept
    LicenseServerClient(replace(endpoint, base_url=f"{server.url}/vendor")).transmit(message, (), NOW)
    assert server.requests[0].path == "/vendor/v1/telemetry"

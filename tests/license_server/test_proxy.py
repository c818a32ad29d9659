"""Through the deployment's proxy, TLS is still spoken with the License Server itself, and the deadline still holds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Held, Outcome, Retrying
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from tests.license_server.conftest import NOW, SHORT
from tests.support import connect_proxy, faults
from tests.support.each import each
from tests.support.fault_server import FaultServer, Mode

Transmit = Callable[..., Outcome]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[FaultServer]:
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel) as listening:
        yield listening


@pytest.fixture
def through(endpoint: Endpoint, proxy: FaultServer, message: SealedMessage) -> Transmit:
    def send(limits: ExchangeLimits | None = None) -> Outcome:
        proxied = replace(endpoint, proxy_url=f"http://name:word@127.0.0.1:{proxy.port}")
        return LicenseServerClient(proxied, limits or ExchangeLimits()).transmit(message, (), NOW)

    return send


def test_a_transmission_goes_through_the_proxy_which_learns_nothing_but_the_address(
    server: FaultServer, proxy: FaultServer, through: Transmit
) -> None:
    server.mode = faults.accept
    assert through() == Accepted(200, duplicate=False)
    [connect] = proxy.requests
    assert connect.method == "CONNECT"
    assert connect.headers["proxy-authorization"] == "Basic bmFtZTp3b3Jk"
    assert not [name for name in connect.headers if name.startswith("x-telemetry")]
    assert "proxy-authorization" not in server.requests[0].headers


def test_a_proxy_may_be_spoken_to_over_tls(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, proxy: FaultServer, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(server.ca_pem_path.read_bytes() + proxy.ca_pem_path.read_bytes())
    server.mode, proxy.mode = faults.accept, connect_proxy.tunnel_over_tls
    client = LicenseServerClient(replace(endpoint, ca_file=both, proxy_url=f"https://127.0.0.1:{proxy.port}"))
    assert client.transmit(message, (), NOW) == Accepted(200, duplicate=False)
    test = client.check_connection(message)
    assert test.ok
    assert [step.ok for step in test.steps] == [True] * 6


def test_a_proxy_over_tls_with_a_wrong_certificate_is_not_spoken_to(
    endpoint: Endpoint, message: SealedMessage, proxy: FaultServer
) -> None:
    proxy.mode = connect_proxy.tunnel_over_tls
    client = LicenseServerClient(replace(endpoint, proxy_url=f"https://127.0.0.1:{proxy.port}"))
    assert client.transmit(message, (), NOW) == Retrying(Cause.PROXY_FAILED)
    assert proxy.requests == []


@each(
    ("mode", "cause"),
    [
        (connect_proxy.ask_for_a_password, Cause.PROXY_LOGIN_REFUSED),
        (connect_proxy.forbid, Cause.PROXY_FAILED),
        (connect_proxy.hang_up_on_connect, Cause.PROXY_FAILED),
        (connect_proxy.speak_no_http, Cause.PROXY_FAILED),
    ],
)
def test_a_proxy_that_does_not_connect_is_named_as_the_cause(
    proxy: FaultServer, through: Transmit, mode: Mode, cause: Cause
) -> None:
    proxy.mode = mode
    assert through() == Retrying(cause)


def test_a_proxy_that_is_not_there_and_one_that_nobody_knows_are_told_apart(
    endpoint: Endpoint, proxy: FaultServer, message: SealedMessage, through: Transmit
) -> None:
    proxy.refuse()
    assert through() == Retrying(Cause.PROXY_UNREACHABLE)
    unknown = replace(endpoint, proxy_url=f"http://{'no-such-proxy' * 20}:3128")
    assert LicenseServerClient(unknown).transmit(message, (), NOW) == Retrying(Cause.PROXY_NOT_RESOLVED)


@pytest.mark.parametrize("mode", [faults.hang_at_tls, connect_proxy.trickle_the_tunnel])
def test_the_deadline_ends_a_proxy_that_hangs_or_trickles(proxy: FaultServer, through: Transmit, mode: Mode) -> None:
    proxy.mode = mode
    assert through(SHORT) == Retrying(Cause.DEADLINE_EXCEEDED)
    assert proxy.saw_a_hang_up()


def test_behind_the_proxy_the_license_servers_own_problems_are_reported_as_such(
    server: FaultServer, through: Transmit
) -> None:
    server.mode = faults.certificate_of_unknown_authority
    assert through() == Held(Cause.CERTIFICATE_UNTRUSTED)
    server.mode = faults.reset_after_reading
    assert through() == Retrying(Cause.CONNECTION_LOST)
    server.mode = faults.reply(503)
    assert through() == Retrying(Cause.BUSY, 503)


def test_the_steps_up_to_the_tunnel_are_the_proxys(
    endpoint: Endpoint, proxy: FaultServer, message: SealedMessage
) -> None:
    proxy.mode = connect_proxy.ask_for_a_password
    test = LicenseServerClient(replace(endpoint, proxy_url=f"http://127.0.0.1:{proxy.port}")).check_connection(message)
    assert test.cause is Cause.PROXY_LOGIN_REFUSED
    assert [step.ok for step in test.steps] == [True, False, None, None, None, None]


def test_a_name_that_no_certificate_can_have_is_retried(
    endpoint: Endpoint, proxy: FaultServer, message: SealedMessage
) -> None:
    proxy.mode = connect_proxy.tunnel_to_nowhere
    odd = replace(endpoint, base_url="https://.example", proxy_url=f"http://127.0.0.1:{proxy.port}")
    assert LicenseServerClient(odd).transmit(message, (), NOW) == Retrying(Cause.TLS_FAILED)

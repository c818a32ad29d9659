"""Whatever is in the License Server's place, each fault has its outcome, and the exchange ends."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Held, Outcome, Rejected, Retrying
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from tests.license_server.conftest import API_KEY, NOW, SHORT
from tests.support import faults
from tests.support.each import each
from tests.support.fault_server import FaultServer, Mode

Transmit = Callable[..., Outcome]


def test_a_refused_connection_is_retried_and_a_server_that_came_back_is_used(
    server: FaultServer, transmit: Transmit
) -> None:
    server.mode = faults.accept
    server.refuse()
    assert transmit() == Retrying(Cause.CONNECTION_REFUSED)
    server.listen()
    assert transmit() == Accepted(200, duplicate=False)


@pytest.mark.parametrize(
    "mode",
    [
        faults.hang_up_at_once,
        faults.reset_at_once,
        faults.reset_before_reading,
        faults.reset_after_reading,
        faults.die_after_reading,
        faults.die_in_the_head,
        faults.die_in_the_body,
    ],
)
def test_a_connection_that_breaks_is_lost_and_retried(server: FaultServer, transmit: Transmit, mode: Mode) -> None:
    server.mode = mode
    assert transmit() == Retrying(Cause.CONNECTION_LOST)


@pytest.mark.parametrize(
    "mode",
    [
        faults.hang_at_tls,
        faults.hang_within_tls,
        faults.hang_before_headers,
        faults.hang_mid_headers,
        faults.hang_mid_body,
        faults.trickle,
        faults.trickle_the_body,
        faults.trickle_interim_responses,
    ],
)
def test_the_deadline_ends_whatever_hangs_or_trickles_and_hangs_up(
    server: FaultServer, transmit: Transmit, mode: Mode
) -> None:
    server.mode = mode
    assert transmit(SHORT) == Retrying(Cause.DEADLINE_EXCEEDED)
    assert server.saw_a_hang_up()


def test_the_deadline_ends_a_connection_that_is_not_accepted(server: FaultServer, transmit: Transmit) -> None:
    server.stop_accepting()
    assert transmit(SHORT) == Retrying(Cause.DEADLINE_EXCEEDED)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (faults.certificate_expired, Cause.CERTIFICATE_EXPIRED),
        (faults.certificate_not_yet_valid, Cause.CERTIFICATE_EXPIRED),
        (faults.certificate_of_another_host, Cause.CERTIFICATE_WRONG_HOST),
        (faults.certificate_of_unknown_authority, Cause.CERTIFICATE_UNTRUSTED),
        (faults.tls_1_1_only, Cause.TLS_VERSION),
        (faults.insist_on_tls_1_1, Cause.TLS_VERSION),
    ],
)
def test_a_wrong_certificate_or_an_old_tls_is_held_and_nothing_is_sent(
    server: FaultServer, transmit: Transmit, mode: Mode, cause: Cause
) -> None:
    server.mode = mode
    assert transmit() == Held(cause)
    assert server.requests == []


def test_a_server_without_tls_is_retried_and_gets_nothing(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.speak_plaintext
    assert transmit() == Retrying(Cause.TLS_FAILED)
    assert server.requests == []


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (faults.endless_interim_responses, None),
        (faults.endless_headers, None),
        (faults.endless_body, 200),
        (faults.huge_body, 200),
    ],
)
def test_an_endless_or_huge_response_is_read_up_to_a_small_limit(
    server: FaultServer, transmit: Transmit, mode: Mode, status: int | None
) -> None:
    server.mode = mode
    assert transmit() == Rejected(Cause.RESPONSE_TOO_LARGE, status)


def test_a_compressed_response_is_never_decompressed(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.compressed_bomb
    assert transmit() == Rejected(Cause.RESPONSE_MALFORMED, 200)
    assert server.requests[0].headers["accept-encoding"] == "identity"


@each(
    "outgoing",
    [
        bytes(range(256)) * 8,
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"\r\n" * 10,
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 Nothing\r\n\r\n",
        b"HTTP/1.1 1000 Everything\r\n\r\n",
        b"HTTP/1.1 101 Another protocol\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
)
def test_what_is_no_http_is_rejected(server: FaultServer, transmit: Transmit, outgoing: bytes) -> None:
    server.mode = faults.reply_raw(outgoing)
    assert transmit() == Rejected(Cause.RESPONSE_MALFORMED)


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_response_without_a_final_one_does_not_count(
    server: FaultServer, transmit: Transmit, status: int
) -> None:
    server.mode = faults.reply(status)
    assert transmit() == Retrying(Cause.CONNECTION_LOST)


@pytest.mark.parametrize("status", range(300, 309))
def test_a_redirect_is_never_followed(server: FaultServer, transmit: Transmit, status: int, trap: FaultServer) -> None:
    server.mode = faults.reply(status, headers=[("Location", trap.url + "/v1/telemetry")])
    assert transmit() == Rejected(Cause.REDIRECTED, status)
    assert trap.connections == 0
    assert server.connections == 1


@pytest.mark.parametrize("location", ["http://[", "//", "https://\x7f", "javascript:alert(1)"])
def test_a_redirect_to_nonsense_is_a_redirect(server: FaultServer, transmit: Transmit, location: str) -> None:
    server.mode = faults.reply(302, headers=[("Location", location)])
    assert transmit() in {Rejected(Cause.REDIRECTED, 302), Rejected(Cause.RESPONSE_MALFORMED)}


def test_a_response_that_echoes_the_key_leaves_no_trace_of_it(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.echo(API_KEY)
    outcome = transmit()
    assert outcome == Retrying(Cause.SERVER_ERROR, 500)
    assert API_KEY not in repr(outcome)


def test_an_early_response_counts_even_if_the_server_stops_reading(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.respond_without_reading
    assert transmit() == Rejected(Cause.PAYLOAD_REFUSED, 413)


def test_the_deadline_ends_a_server_that_takes_nothing(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage
) -> None:
    server.mode = faults.never_read
    more_than_any_buffer_holds = replace(message, body=b"x" * 32 * 1024 * 1024)
    outcome = LicenseServerClient(endpoint, SHORT).transmit(more_than_any_buffer_holds, (), NOW)
    assert outcome == Retrying(Cause.DEADLINE_EXCEEDED)


def test_an_address_that_refuses_leaves_the_others_a_chance(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.mode = faults.accept
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    by_name = replace(endpoint, base_url=f"https://localhost:{server.port}")
    assert LicenseServerClient(by_name).transmit(message, (), NOW) == Accepted(200, duplicate=False)


def test_one_client_serves_many_threads_at_once(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage
) -> None:
    server.mode = faults.accept
    client = LicenseServerClient(endpoint)
    messages = [replace(message, transmission_id=UUID(int=number)) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda sent: client.transmit(sent, (), NOW), messages))
    assert outcomes == [Accepted(200, duplicate=False)] * 40


def test_a_connection_whose_encryption_breaks_is_retried(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.break_the_cipher
    assert transmit() == Retrying(Cause.CONNECTION_LOST)


def test_an_address_of_a_kind_that_this_machine_does_not_know_is_a_failed_connection(
    endpoint: Endpoint, message: SealedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown_family = 44
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(unknown_family, 0, 0, "", ("", 0))])
    assert LicenseServerClient(endpoint).transmit(message, (), NOW) == Retrying(Cause.CONNECTION_FAILED)

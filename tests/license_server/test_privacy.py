"""Neither the License Server's address nor the API key is seen anywhere, and no environment has a say."""

import logging
import os
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Retrying
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from tests.license_server.conftest import API_KEY, NOW, SHORT
from tests.support import faults
from tests.support.fault_server import FaultServer, Mode

SILENT_MODES = [
    faults.accept,
    pytest.param(faults.echo(API_KEY), id="echo"),
    faults.reset_after_reading,
    faults.certificate_expired,
    faults.certificate_of_another_host,
    faults.tls_1_1_only,
    faults.garbage,
    faults.hang_before_headers,
    pytest.param(faults.reply(302, headers=[("Location", "https://elsewhere.example/")]), id="redirect"),
]


def test_an_endpoint_shows_nothing_of_itself(server: FaultServer) -> None:
    endpoint = Endpoint(server.url, server.ca_pem_path, "http://user:secret@127.0.0.1:1", "sender/1")
    client = LicenseServerClient(endpoint)
    for text in (repr(endpoint), str(endpoint), repr(client), str(client)):
        assert all(secret not in text for secret in ("127.0.0.1", str(server.port), "secret", "sender", ".pem"))


@pytest.mark.parametrize("mode", SILENT_MODES)
def test_nothing_is_logged_at_any_level(
    server: FaultServer,
    endpoint: Endpoint,
    message: SealedMessage,
    mode: Mode,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.mode = mode
    client = LicenseServerClient(endpoint, SHORT)
    for name in (None, "httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        caplog.set_level(logging.DEBUG, logger=name)
    outcome, test = client.transmit(message, (), NOW), client.check_connection(message)
    seen = "".join(
        [*(record.getMessage() for record in caplog.records), *capfd.readouterr(), repr(outcome), repr(test)]
    )
    assert all(secret not in seen for secret in ("127.0.0.1", str(server.port), "localhost", API_KEY))
    assert [record.name for record in caplog.records if record.name.startswith(("httpx", "httpcore"))] == []


@pytest.mark.parametrize("mode", [faults.accept, faults.reset_after_reading, faults.hang_before_headers])
def test_nothing_is_logged_where_the_environment_asks_for_the_debug_mode_of_event_loops(
    server: FaultServer,
    endpoint: Endpoint,
    message: SealedMessage,
    mode: Mode,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    caplog.set_level(logging.DEBUG)
    server.mode = mode
    LicenseServerClient(endpoint, SHORT).transmit(message, (), NOW)
    assert all(secret not in caplog.text for secret in ("127.0.0.1", str(server.port), API_KEY))


def test_only_the_protocols_headers_are_sent(server: FaultServer, endpoint: Endpoint, message: SealedMessage) -> None:
    server.mode = faults.accept
    LicenseServerClient(endpoint).transmit(message, (), NOW)
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/telemetry", message.body)
    assert request.headers == {
        "host": server.url.removeprefix("https://"),
        "content-type": "application/json",
        "content-length": str(len(message.body)),
        "x-telemetry-id": str(message.transmission_id),
        "x-telemetry-timestamp": str(message.timestamp),
        "x-telemetry-signature": message.signature,
        "x-telemetry-key-id": message.key_id,
        "user-agent": "control-core-telemetry/1.2.3",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "close",
    }
    assert API_KEY not in repr(request)


def test_a_base_url_with_a_path_keeps_it(server: FaultServer, message: SealedMessage) -> None:
    server.mode = faults.accept
    client = LicenseServerClient(Endpoint(server.url + "/base/", server.ca_pem_path))
    assert client.transmit(message, (), NOW) == Accepted(200, duplicate=False)
    assert server.requests[0].path == "/base/v1/telemetry"


def test_the_environments_proxies_are_not_obeyed(
    server: FaultServer, trap: FaultServer, endpoint: Endpoint, message: SealedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.mode = faults.accept
    assert LicenseServerClient(endpoint).transmit(message, (), NOW) == Accepted(200, duplicate=False)
    assert trap.connections == 0


def test_the_keys_of_a_connection_are_not_written_to_sslkeylogfile(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key_log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", os.fspath(key_log))
    server.mode = faults.accept
    assert LicenseServerClient(endpoint).transmit(message, (), NOW) == Accepted(200, duplicate=False)
    assert not key_log.exists()


def test_an_authority_of_the_file_is_needed_for_a_server_that_the_system_does_not_know(
    server: FaultServer, message: SealedMessage
) -> None:
    server.mode = faults.accept
    outcome = LicenseServerClient(Endpoint(server.url)).transmit(message, (), NOW)
    assert not isinstance(outcome, Accepted)
    assert outcome.cause is Cause.CERTIFICATE_UNTRUSTED
    assert server.requests == []


@pytest.mark.parametrize(
    ("base_url", "ca_file", "proxy_url", "variable"),
    [
        ("http://secret.example", None, None, "TELEMETRY_LICENSE_SERVER_URL"),
        ("https://secret.example:port", None, None, "TELEMETRY_LICENSE_SERVER_URL"),
        ("https://127.0.0.1", "secret.pem", None, "TELEMETRY_LICENSE_SERVER_CA_FILE"),
        ("https://127.0.0.1", None, "ftp://secret.example", "TELEMETRY_PROXY_URL"),
        ("https://127.0.0.1", None, "http://secret:port", "TELEMETRY_PROXY_URL"),
    ],
)
def test_a_wrong_endpoint_is_a_settings_error_that_names_the_variable_and_not_its_value(
    base_url: str, ca_file: str | None, proxy_url: str | None, variable: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as raised:
        LicenseServerClient(Endpoint(base_url, tmp_path / ca_file if ca_file else None, proxy_url))
    assert variable in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.usefixtures("slow_resolver")
def test_a_resolver_that_hangs_does_not_outlast_the_deadline(endpoint: Endpoint, message: SealedMessage) -> None:
    outcome = LicenseServerClient(endpoint, SHORT).transmit(message, (), NOW)
    assert outcome == Retrying(Cause.DEADLINE_EXCEEDED)

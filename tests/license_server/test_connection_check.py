"""*Test Connection* walks through its steps and stops at the first that fails."""

from datetime import timedelta

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.connection_check import ConnectionCheck, StepName
from telemetry_service.domain.message import SealedMessage
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from tests.support import faults
from tests.support.fault_server import FaultServer, Mode

UNTRIED = None

LONG_ENOUGH_FOR_TLS = ExchangeLimits(deadline=timedelta(seconds=3))
"""For a fault that only the deadline ends, on a machine that has other things to do."""


def verdicts(test: ConnectionCheck) -> list[bool | None]:
    assert [step.name for step in test.steps] == list(StepName)
    return [step.ok for step in test.steps]


def run(endpoint: Endpoint, ping: SealedMessage, limits: ExchangeLimits | None = None) -> ConnectionCheck:
    return LicenseServerClient(endpoint, limits or ExchangeLimits()).check_connection(ping)


def test_a_working_connection_passes_every_step_and_sends_no_telemetry(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage
) -> None:
    server.mode = faults.accept
    test = run(endpoint, message)
    assert test.ok
    assert verdicts(test) == [True] * 6
    assert test.response_code == 200
    assert all(step.duration_ms is not None and step.duration_ms >= 0 for step in test.steps)
    assert test.steps[2].detail == "TLSv1.3"
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/telemetry/ping", b"{}")


def test_a_name_that_does_not_exist_ends_at_the_first_step(message: SealedMessage) -> None:
    no_dns_name = "a" * 64 + ".example"
    test = run(Endpoint(f"https://{no_dns_name}"), message)
    assert test.cause is Cause.NAME_NOT_RESOLVED
    assert verdicts(test) == [False, *[UNTRIED] * 5]
    assert [step.duration_ms for step in test.steps[1:]] == [None] * 5


def test_a_refused_connection_ends_at_tcp(server: FaultServer, endpoint: Endpoint, message: SealedMessage) -> None:
    server.refuse()
    test = run(endpoint, message)
    assert test.cause is Cause.CONNECTION_REFUSED
    assert verdicts(test) == [True, False, *[UNTRIED] * 4]


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (faults.hang_at_tls, Cause.DEADLINE_EXCEEDED),
        (faults.hang_up_at_once, Cause.CONNECTION_LOST),
        (faults.speak_plaintext, Cause.TLS_FAILED),
        (faults.tls_1_1_only, Cause.TLS_VERSION),
    ],
)
def test_tls_problems_end_at_tls(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, mode: Mode, cause: Cause
) -> None:
    server.mode = mode
    test = run(endpoint, message, LONG_ENOUGH_FOR_TLS if cause is Cause.DEADLINE_EXCEEDED else None)
    assert test.cause is cause
    assert verdicts(test) == [True, True, False, *[UNTRIED] * 3]


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (faults.certificate_expired, Cause.CERTIFICATE_EXPIRED),
        (faults.certificate_of_another_host, Cause.CERTIFICATE_WRONG_HOST),
        (faults.certificate_of_unknown_authority, Cause.CERTIFICATE_UNTRUSTED),
    ],
)
def test_a_wrong_certificate_ends_at_the_certificate_before_the_key_is_used(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, mode: Mode, cause: Cause
) -> None:
    server.mode = mode
    test = run(endpoint, message)
    assert test.cause is cause
    assert verdicts(test) == [True, True, True, False, UNTRIED, UNTRIED]
    assert server.requests == []


@pytest.mark.parametrize(
    ("mode", "cause", "status"),
    [
        (faults.reply(404), Cause.NOT_FOUND, 404),
        (faults.reply(400, headers=[("Date", "Sat, 15 Nov 2025 02:09:00 GMT")]), Cause.CLOCK_WRONG, 400),
        (faults.reply(500), Cause.SERVER_ERROR, 500),
        (faults.reply(503), Cause.BUSY, 503),
        (faults.reply(200, b"<html>Log in to this network"), Cause.RESPONSE_MALFORMED, 200),
        (faults.reply(302), Cause.REDIRECTED, 302),
        (faults.reply(204), Cause.RESPONSE_MALFORMED, 204),
        pytest.param(faults.reply(200, b'{"status":"no"}'), Cause.RESPONSE_MALFORMED, 200, id="another-word"),
        pytest.param(faults.reply(200, b'{"status":"ok","status":"ok"}'), Cause.RESPONSE_MALFORMED, 200, id="twice"),
        (faults.endless_body, Cause.RESPONSE_TOO_LARGE, 200),
        (faults.hang_before_headers, Cause.DEADLINE_EXCEEDED, None),
        (faults.reset_before_reading, Cause.CONNECTION_LOST, None),
        (faults.reset_after_reading, Cause.CONNECTION_LOST, None),
    ],
)
def test_no_response_or_an_invalid_one_ends_at_the_response(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, mode: Mode, cause: Cause, status: int | None
) -> None:
    server.mode = mode
    test = run(endpoint, message, LONG_ENOUGH_FOR_TLS if cause is Cause.DEADLINE_EXCEEDED else None)
    assert (test.cause, test.response_code) == (cause, status)
    assert verdicts(test) == [True, True, True, True, False, UNTRIED]


@pytest.mark.parametrize(("status", "cause"), [(401, Cause.API_KEY_NOT_ACCEPTED), (403, Cause.FORBIDDEN)])
def test_a_license_server_that_refuses_the_key_has_responded(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, status: int, cause: Cause
) -> None:
    server.mode = faults.reply(status)
    test = run(endpoint, message)
    assert (test.cause, test.response_code) == (cause, status)
    assert verdicts(test) == [True, True, True, True, True, False]

"""The guide sends people to the backend log in four cases of trouble: there they find the cause, by its code."""

import pytest

from telemetry_service.domain.causes import EXPLANATIONS, Cause
from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from tests.log.conftest import Deployment
from tests.support import faults
from tests.support.fault_server import Mode
from tests.support.program import Program

pytestmark = pytest.mark.waits

PORTAL = faults.reply(200, b"<!doctype html><p>Log in to use this network.", [("Content-Type", "text/html")])

RESPONDED: list[tuple[Mode, int | None, set[Cause]]] = [
    (faults.reply(401), 401, {Cause.API_KEY_NOT_ACCEPTED}),
    (faults.reply(403), 403, {Cause.FORBIDDEN}),
    (faults.reply(422), 422, {Cause.PAYLOAD_REFUSED}),
    (faults.reply(503), 503, {Cause.BUSY, Cause.SERVER_ERROR}),
    (PORTAL, 200, {Cause.RESPONSE_MALFORMED}),
    (faults.certificate_expired, None, {Cause.CERTIFICATE_EXPIRED}),
    (faults.certificate_of_unknown_authority, None, {Cause.CERTIFICATE_UNTRUSTED}),
]
"""The response of something in between, with its status and the causes that may report it."""


def _attempt(deployment: Deployment, service: Program, url: str) -> dict[str, object]:
    """Send now, and return the line that says what came of it."""
    made = deployment.call(url, Scope.ADMIN, "POST", "telemetry/send-now", headers={"X-Request-Id": "press"}).json()
    line = service.wait_for_event("attempt_failed", transmission_id=made["transmission_id"])
    assert line["cause"] == made["cause"]["code"]
    assert line["request_id"] == "press"
    return line


def test_transmission_failures_name_their_cause_their_transmission_and_their_status(deployment: Deployment) -> None:
    server = deployment.license_server.server
    with deployment.program() as service:
        url = service.wait_for_url()
        for mode, status, causes in RESPONDED:
            server.mode = mode
            line = _attempt(deployment, service, url)
            assert line["cause"] in causes
            assert line.get("response_code") == status
            assert line["sentence"] == EXPLANATIONS[Cause(str(line["cause"]))].sentence
            assert (line["level"], line["trigger"], line["number"]) == ("warning", "send_now", 1)
            assert isinstance(line["duration_ms"], int)
            assert service.wait_for_event("attempt_started", transmission_id=line["transmission_id"])
        server.refuse()
        assert _attempt(deployment, service, url)["cause"] == "connection_refused"


def test_a_connection_test_that_fails_names_its_cause_and_its_step(deployment: Deployment) -> None:
    server = deployment.license_server.server
    logged: list[tuple[str, str]] = []

    def test_it(service: Program, url: str) -> None:
        request_id = f"test-{len(logged)}"
        said = {"X-Request-Id": request_id}
        response = deployment.call(url, Scope.ADMIN, "POST", "telemetry/test-connection", headers=said).json()
        line = service.wait_for_event("connection_test_failed", request_id=request_id)
        assert line["cause"] == response["cause"]["code"]
        failed = [step["name"] for step in response["steps"] if step["ok"] is False]
        assert [line["step"]] == failed[:1]
        logged.append((line["cause"], line["step"]))

    with deployment.program() as service:
        url = service.wait_for_url()
        for mode, _status, causes in RESPONDED:
            server.mode = mode
            test_it(service, url)
            assert logged[-1][0] in causes | {Cause.PAYLOAD_REFUSED, Cause.UNEXPECTED_STATUS}
        server.refuse()
        test_it(service, url)
        assert logged[-1] == ("connection_refused", "tcp")
    assert ("certificate_expired", "certificate") in logged
    assert ("api_key_not_accepted", "api_key") in logged
    with deployment.program(TELEMETRY_LICENSE_SERVER_URL="https://no-such-host.invalid") as service:
        test_it(service, service.wait_for_url())
        assert logged[-1] == ("name_not_resolved", "name")
        assert service.wait_for_event("connection_changed")


def test_no_data_because_the_period_contradicts_itself_is_in_the_log(deployment: Deployment) -> None:
    with deployment.program() as service:
        url = service.wait_for_url()
        deployment.report(url)
        deployment.contradict()
        refused = deployment.call(url, Scope.ADMIN, "POST", "telemetry/send-now", headers={"X-Request-Id": "press"})
        assert refused.status_code == 409
        fault = service.wait_for_event("payload_contradiction", trigger="manual", request_id="press")
        assert (fault["level"], fault["code"]) == ("error", "payload-contradiction")
        deployment.let_tick_fall_due()
        tick = service.wait_for_event("tick_without_payload")
        assert (tick["level"], tick["result"], tick["due"]) == (
            "warning",
            "payload-contradiction",
            "2026-01-01T02:00:00.000Z",
        )
        assert service.wait_for_event("payload_contradiction", trigger="scheduled")


def test_encryption_errors_name_the_key_that_cannot_be_opened_and_what_waits_for_it(deployment: Deployment) -> None:
    deployment.license_server.server.mode = faults.reply(503)
    with deployment.program() as service:
        url = service.wait_for_url()
        waiting = _attempt(deployment, service, url)["transmission_id"]
    deployment.execute("UPDATE telemetry_transmission_logs SET next_attempt_at = created_at")
    with deployment.program(ENCRYPTION_KEY=generate_key()) as service:
        url = service.wait_for_url()
        line = service.wait_for_event("api_key_unreadable", transmission_id=waiting)
        assert (line["level"], line["code"]) == ("error", "key-unusable")
        deployment.let_tick_fall_due()
        assert service.wait_for_event("tick_without_payload", result="api_key_unusable")


def test_a_payload_that_someone_changed_is_in_the_log_with_its_transmission(deployment: Deployment) -> None:
    deployment.license_server.server.mode = faults.reply(503)
    with deployment.program() as service:
        waiting = _attempt(deployment, service, service.wait_for_url())["transmission_id"]
        deployment.execute("""UPDATE evidence SET content = CAST('{"x":"hello"}' AS BLOB)""")
        deployment.execute("UPDATE telemetry_transmission_logs SET next_attempt_at = created_at")
        assert service.wait_for_event("payload_invalid", transmission_id=waiting)["cause"] == "payload_changed"

"""What a process writes to standard error: lines under systemd's journal, and sentences alone where it is a command."""

import signal

from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from tests.log.conftest import Deployment

REPORT = {
    "report_id": "0193b2f6-7a00-7000-8000-000000000001",
    "bouncer_id": "b-1",
    "environment": "production",
    "audit_events": 1,
    "policy_decisions": 1,
    "successful_decisions": 1,
}


def test_under_the_journal_of_systemd_each_line_has_its_priority(deployment: Deployment) -> None:
    errors = deployment.folder / "standard-error"
    errors.touch()
    found = errors.stat()
    with deployment.program(JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}") as service:
        service.wait_for_error("service_started")
        service.stop(signal.SIGTERM)
        lines = service.errors.splitlines()
    started = [line for line in lines if '"event": "service_started"' in line]
    assert [line[:4] for line in started] == ["<6>{"]
    assert all(line.startswith(("<4>{", "<6>{")) for line in lines)


def test_a_variable_of_the_journal_that_was_only_inherited_changes_nothing(deployment: Deployment) -> None:
    with deployment.program(JOURNAL_STREAM="1:1") as service:
        assert service.wait_for_event("service_started")["log_level"] == "info"


def test_a_service_that_is_bound_to_every_address_says_so(deployment: Deployment) -> None:
    with deployment.program("--host", "0.0.0.0") as service:  # noqa: S104 - which is what is reported
        assert service.wait_for_event("service_started")["listening"].startswith("0.0.0.0:")


def test_the_level_is_the_least_that_is_written(deployment: Deployment) -> None:
    deployment.license_server.server.refuse()
    with deployment.program(TELEMETRY_LOG_LEVEL="error", ENCRYPTION_KEY=generate_key()) as service:
        deployment.let_tick_fall_due()
        service.wait_for_event("api_key_unreadable")
        service.stop(signal.SIGTERM)
        assert {line["level"] for line in service.lines} == {"error"}


def test_an_unexpected_error_in_the_recorder_belongs_to_its_request(deployment: Deployment) -> None:
    with deployment.program() as service:
        url = service.wait_for_url()
        deployment.execute(
            "CREATE TRIGGER fails BEFORE INSERT ON usage_counters BEGIN SELECT RAISE(ABORT, 'canary of a library'); END"
        )
        response = deployment.call(
            url, Scope.REPORT, "POST", "usage", json={"reports": [REPORT]}, headers={"X-Request-Id": "r-1"}
        )
        assert (response.status_code, response.json()["request_id"]) == (500, "r-1")
        line = service.wait_for_event("unexpected_exception", job="recorder")
        assert (line["request_id"], line["error"]) == ("r-1", "IntegrityError")
        assert service.wait_for_event("unexpected_exception", job="request")["request_id"] == "r-1"
        assert "canary" not in service.errors
        assert "Traceback" not in service.errors


def test_a_command_writes_sentences_and_no_lines(deployment: Deployment) -> None:
    deployment.license_server.server.refuse()
    for arguments in (["send-now"], ["send-now", "--json"], ["test-connection"], ["doctor"]):
        with deployment.command(*arguments) as command:
            command.process.wait(120)
            written = command.errors
        assert "{" not in written
        for event in ("attempt_failed", "attempt_started", "connection_test_failed", "library_message"):
            assert event not in written

"""A life full of trouble, with canaries in everything that is a secret: no line of either format holds one."""

import json
import re
import signal
from pathlib import Path

import pytest
import trustme

from telemetry_service.cli.support.log_lines import last_lines
from telemetry_service.identity.scopes import Scope
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.options import LogFormat
from telemetry_service.sealing.keyring import generate_key
from tests.log.conftest import PASSWORD, Deployment, login
from tests.support import faults
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.program import Program

pytestmark = pytest.mark.waits

SHOWN_BY_OTHER_TESTS = {
    Event.RECEIPT_NOT_VERIFIED,
    Event.SETTINGS_RELOADED,
    Event.RELOAD_REFUSED,
    Event.PURGE_RAN,
    Event.PURGE_PUT_OFF,
    Event.UNEXPECTED_EXCEPTION,
    Event.VERIFY_FAILED,
    Event.LIBRARY_MESSAGE,
    Event.LINES_DROPPED,
    Event.LOGIN_BLOCKED,
    Event.API_KEY_UNREADABLE,
    Event.API_KEY_OVERLAP_ENDED,
    Event.AUTHORITIES_UNREADABLE,
    Event.IDENTITY_REFUSED,
    Event.ISSUER_UNAVAILABLE,
    Event.CONNECTION_CUT_OFF,
    Event.FORWARDED_NOT_TRUSTED,
    Event.PAYLOAD_INVALID,
    Event.RESPONSE_IGNORED,
    Event.NEW_FIELD_ANNOUNCED,
    Event.PAYLOAD_RELEASED,
    Event.PAYLOAD_WITHDRAWN,
    Event.ACCEPTED_WITHOUT_RECEIPT,
    Event.BUNDLE_EXPORTED,
    Event.RECEIPTS_IMPORTED,
    Event.DATABASE_RESTORED,
    Event.SOURCE_BEGUN,
    Event.SOURCE_STOPPED,
    Event.SOURCE_CONTINUED,
    Event.SOURCE_RESET,
    Event.SOURCE_CAUGHT_UP,
}
"""The tests of the guide's cases, of refusals, of authorities, of the retention, of erasures, of releases, of receipts,
of overlapping keys, of bundles, of restored backups and of the source make these happen."""

_LATER_PASSWORD = "canary of a later password"
"""Ignored, for there is an administrator already, and the log says that it was."""


def _happen(deployment: Deployment, service: Program, url: str) -> None:
    """Let happen what can happen to an installation, good and bad."""
    server = deployment.license_server.server
    working = server.mode

    def call(method: str, path: str, scope: Scope = Scope.ADMIN, **request: object) -> int:
        return deployment.call(url, scope, method, path, **request).status_code

    assert login(url, "canary typed 4711").status_code == 401
    assert login(url, PASSWORD).status_code == 303
    assert login(url, PASSWORD, {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    deployment.report(url)
    assert call("POST", "telemetry/send-now") == 200
    assert call("POST", "telemetry/test-connection") == 200
    assert call("POST", "telemetry/config/api-key/reveal") == 200
    for mode in (faults.echo(API_KEY), faults.certificate_of_another_host, faults.garbage, faults.reset_after_reading):
        server.mode = mode
        call("POST", "telemetry/send-now")
        call("POST", "telemetry/test-connection")
    server.mode = faults.accept_with(license={"tier": "canary-tier", "license_status": "active"}, receipt="")
    call("POST", "telemetry/send-now")
    server.mode = working
    etag = deployment.call(url, Scope.READ, "GET", "telemetry/config")
    values = {name: etag.json()[name] for name in ("enabled", "encrypt_payload", "anonymize_pii", "retention_days")}
    changed = {**values, "frequency": "weekly"}
    assert call("PUT", "telemetry/config", json=changed, headers={"If-Match": etag.headers["ETag"]}) == 200
    assert call("PUT", "telemetry/config", json=changed, headers={"If-Match": etag.headers["ETag"]}) == 412
    assert call("DELETE", "telemetry/config/api-key", Scope.READ) == 403
    assert call("GET", "telemetry/config", headers={"Authorization": f"Bearer {'canary' * 9}"}) == 401
    assert call("DELETE", "telemetry/config/api-key") == 200
    deployment.let_tick_fall_due()
    service.wait_for_error("tick_without_payload")
    assert call("PUT", "telemetry/config/api-key", json={"api_key": API_KEY}) == 200
    assert call("POST", "usage", Scope.REPORT, json={"reports": ["canary"]}) == 422
    assert call("PUT", "telemetry/config", content=b"x" * 100_000) == 413
    deployment.let_tick_fall_due(day=2)
    service.wait_for_error("tick_ran")
    deployment.report(url)
    deployment.contradict()
    assert call("POST", "telemetry/send-now") == 409
    deployment.execute("ALTER TABLE usage_counters RENAME TO moved_away")
    assert call("GET", "telemetry/preview", Scope.READ) == 503
    service.wait_for_error("storage_failed")
    deployment.execute("ALTER TABLE moved_away RENAME TO usage_counters")
    assert call("DELETE", "telemetry/config/api-key") == 200
    service.wait_for_error("storage_recovered")
    deployment.execute("ALTER TABLE telemetry_schedule RENAME TO moved_away")
    service.wait_for_error("job_failed")
    deployment.execute("ALTER TABLE moved_away RENAME TO telemetry_schedule")


def _secrets(deployment: Deployment) -> set[str]:
    server = deployment.license_server.server
    typed = {"canary", PASSWORD, API_KEY, CUSTOMER, "anon_", "cct_"}
    places = {server.url, server.url.removeprefix("https://"), f":{server.port}", deployment.database_url, "sqlite:"}
    names = ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY", "TELEMETRY_LICENSE_SERVER_CA_FILE")
    return typed | places | set(deployment.tokens.values()) | {deployment.environment[name] for name in names}


@pytest.mark.parametrize("log_format", LogFormat)
def test_no_line_holds_a_secret_and_almost_every_event_has_happened(
    deployment: Deployment, log_format: LogFormat, tmp_path: Path
) -> None:
    log_options = {"TELEMETRY_LOG_FORMAT": log_format.value, "TELEMETRY_LOG_LEVEL": "debug"}
    with deployment.program(**log_options) as service:
        found = re.search(r"127\.0\.0\.1:[0-9]+", service.wait_for_error("service_started"))
        found = found or re.search(r"127\.0\.0\.1:[0-9]+", service.wait_for_error("listening"))
        assert found is not None
        _happen(deployment, service, f"http://{found[0]}")
        assert service.stop(signal.SIGTERM) == 0
        written = service.errors
    another = tmp_path / "canary-authority.pem"
    trustme.CA().cert_pem.write_to_path(another)
    changed = {"TELEMETRY_LICENSE_SERVER_CA_FILE": str(another), "TELEMETRY_ADMIN_PASSWORD": _LATER_PASSWORD}
    with deployment.program(**changed, **log_options) as service:
        service.wait_for_error("connection_changed")
        service.wait_for_error("deployment_warning")
        written += service.errors
    fresh = f"sqlite:///{tmp_path / 'canary.db'}"
    with deployment.program(TELEMETRY_DATABASE_URL=fresh, **log_options) as service:
        service.wait_for_error("service_started")
        written += service.errors
    nowhere = "postgresql://canary:canary@127.0.0.1:1/canary"
    with deployment.program(TELEMETRY_DATABASE_URL=nowhere, ENCRYPTION_KEY=generate_key(), **log_options) as service:
        service.process.wait()
        lines = service.errors.splitlines()
        written += "".join(f"{line}\n" for line in lines if "start_failed" in line)
    for secret in (*_secrets(deployment), _LATER_PASSWORD):
        assert secret not in written, secret
    assert "Traceback" not in written
    happened = {event for event in Event if re.search(rf"\b{event.value}\b", written)}
    assert set(Event) - happened <= SHOWN_BY_OTHER_TESTS
    if log_format is LogFormat.JSON:
        for line in map(json.loads, written.splitlines()):
            meaning = EVENTS[Event(line["event"])]
            assert set(line) <= {"time", "level", "event", "request_id", "suppressed", *meaning.fields}
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
            assert "?" not in line.values(), line
        log = tmp_path / "service.log"
        log.write_text(written)
        assert [line for line in last_lines(log) if "? (" in json.dumps(line)] == [], "a support bundle knows all words"

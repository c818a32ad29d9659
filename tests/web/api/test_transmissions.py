"""*Send Now*, the history, *Retry* and the export, with a License Server that really verifies and opens."""

import csv
import hashlib
import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.api.export import COLUMNS, cell
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, LicenseServer, Trouble, reply
from tests.support.log_lines import lines_in
from tests.support.running import Running, code_in, fields_in

SEND, HISTORY = "telemetry/send-now", "telemetry/history"


def _send_now(service: Running, **headers: str) -> dict[str, Any]:
    response = service.call(Scope.ADMIN, "POST", SEND, headers=headers)
    assert response.status_code == 200, response.text
    sent: dict[str, Any] = response.json()
    return sent


def _history(service: Running, **query: object) -> dict[str, Any]:
    found: dict[str, Any] = service.call(Scope.READ, "GET", HISTORY, params=query).json()
    return found


def test_the_connection_is_tested_step_by_step_also_for_a_key_not_saved_yet(connected: Running) -> None:
    tested = connected.call(Scope.ADMIN, "POST", "telemetry/test-connection").json()
    assert (tested["ok"], tested["cause"], tested["response_code"]) == (True, None, 200)
    assert [step["name"] for step in tested["steps"]] == ["name", "tcp", "tls", "certificate", "response", "api_key"]
    assert all(step["ok"] for step in tested["steps"])
    wrong = connected.call(
        Scope.ADMIN, "POST", "telemetry/test-connection", json={"api_key": "ck_test_another_key"}
    ).json()
    assert (wrong["ok"], wrong["cause"]["code"]) == (False, "api_key_not_accepted")
    assert connected.call(Scope.ADMIN, "POST", "telemetry/test-connection", json={}).json()["ok"]


def test_send_now_returns_the_accepted_transmission(connected: Running, license_server: LicenseServer) -> None:
    sent = _send_now(connected)
    assert (sent["status"], sent["state"], sent["trigger"]) == ("success", "success", "manual")
    assert (sent["records_sent"], sent["response_code"], sent["attempts_made"]) == (20, 200, 1)
    assert sent["receipt_verified"] is True
    assert [payload.total_events for payload in license_server.payloads()] == [20]
    assert sent["payload"]["total_events"] == 20


def test_the_payload_of_an_attempt_comes_back_byte_for_byte(connected: Running, license_server: LicenseServer) -> None:
    sent = _send_now(connected)
    path = f"{HISTORY}/{sent['transmission_id']}/attempts/1/payload"
    payload = connected.call(Scope.READ, "GET", path)
    assert payload.headers["content-type"] == "application/json"
    assert hashlib.sha256(payload.content).hexdigest() == sent["attempts"][0]["payload_sha256"]
    assert json.loads(payload.content) == json.loads(license_server.journal()[0].payload)
    for number, status in (("2", 404), ("999999999", 404), ("0", 422), ("-1", 422), ("1.0", 422), ("9" * 30, 422)):
        missing = connected.call(Scope.READ, "GET", path.replace("attempts/1", f"attempts/{number}"))
        assert missing.status_code == status, number


def test_the_same_idempotency_key_names_the_same_transmission(
    connected: Running, license_server: LicenseServer
) -> None:
    first, again, other = (_send_now(connected, **{"Idempotency-Key": key}) for key in ("a", "a", "b"))
    assert first["transmission_id"] == again["transmission_id"] != other["transmission_id"]
    assert len(license_server.journal()) == 2
    with connected.context.runtime.database.read() as tx:
        assert tx.transmissions.by_request_key("a") is None  # Only a digest is kept.


@each("key", ["", "k" * 201, "two words", "\x7f", "é"])
def test_an_idempotency_key_is_1_to_200_visible_characters(shared: Running, key: str) -> None:
    response = shared.call(Scope.ADMIN, "POST", SEND, headers={"Idempotency-Key": key.encode()})
    assert response.status_code == 422
    assert fields_in(response) == ["Idempotency-Key"]


def _version_shown(service: Running) -> str:
    version: str = service.call(Scope.READ, "GET", "telemetry/preview").json()["version"]
    return version


def _save(service: Running, **changes: object) -> None:
    seen = service.call(Scope.READ, "GET", "telemetry/config")
    names = ("enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days")
    values = {name: seen.json()[name] for name in names} | changes
    headers = {"If-Match": seen.headers["etag"]}
    assert service.call(Scope.ADMIN, "PUT", "telemetry/config", json=values, headers=headers).is_success


@pytest.mark.parametrize("changes", [{"encrypt_payload": False}, {"anonymize_pii": False}])
def test_send_now_with_the_version_that_was_shown_sends_that_or_nothing(
    connected: Running, license_server: LicenseServer, changes: dict[str, object]
) -> None:
    shown = _version_shown(connected)
    _save(connected, **changes)
    refused = connected.call(Scope.ADMIN, "POST", SEND, headers={"If-Match": f'"{shown}"'})
    assert (refused.status_code, code_in(refused)) == (412, "stale-preview")
    assert "The settings or the API key have changed" in refused.json()["detail"]
    assert license_server.journal() == ()
    assert _history(connected)["transmissions"] == []
    sent = _send_now(connected, **{"If-Match": f'"another", "{_version_shown(connected)}"'})
    assert sent["status"] == "success"


@pytest.mark.parametrize("if_match", ["*", None])
def test_send_now_without_a_version_sends_what_there_is(
    connected: Running, license_server: LicenseServer, if_match: str | None
) -> None:
    _version_shown(connected)
    _save(connected, encrypt_payload=False)
    assert _send_now(connected, **({"If-Match": if_match} if if_match else {}))["status"] == "success"
    assert len(license_server.journal()) == 1


@pytest.mark.parametrize("if_match", ["no-quotes", 'W/"{shown}"'])
def test_send_now_takes_only_strong_tags_in_quotation_marks(
    connected: Running, license_server: LicenseServer, if_match: str
) -> None:
    headers = {"If-Match": if_match.format(shown=_version_shown(connected))}
    refused = connected.call(Scope.ADMIN, "POST", SEND, headers=headers)
    assert refused.status_code == (412 if if_match.startswith("W/") else 422)
    assert license_server.journal() == ()


def test_the_description_declares_what_send_now_takes_and_refuses(shared: Running) -> None:
    described = shared.call(None, "GET", "openapi.json").json()["paths"]["/api/v1/telemetry/send-now"]["post"]
    taken = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert set(taken) == {"Idempotency-Key", "If-Match"}
    assert {(one["in"], one["required"]) for one in taken.values()} == {("header", False)}
    assert "stale-preview" in described["responses"]["412"]["description"]


def test_a_failed_transmission_says_why_and_is_sent_again_under_the_same_id(
    connected: Running, license_server: LicenseServer
) -> None:
    license_server.trouble(Trouble(before=reply(401)))
    failed = _send_now(connected)
    assert (failed["status"], failed["state"], failed["response_code"]) == ("failed", "held", 401)
    assert failed["cause"]["code"] == "api_key_not_accepted"
    assert failed["cause"]["sentence"].endswith(".")
    license_server.trouble()
    retried = connected.call(Scope.ADMIN, "POST", f"{HISTORY}/{failed['transmission_id']}/retry").json()
    assert (retried["transmission_id"], retried["status"]) == (failed["transmission_id"], "success")
    assert [attempt["state"] for attempt in retried["attempts"]] == ["held", "success"]
    assert len(license_server.journal()) == 1


def test_all_failed_ones_are_retried_at_once(connected: Running, license_server: LicenseServer) -> None:
    license_server.trouble(Trouble(before=reply(422)))
    failed = [_send_now(connected)["transmission_id"] for _ in range(3)]
    license_server.trouble()
    retried = connected.call(Scope.ADMIN, "POST", f"{HISTORY}/retry-failed").json()["transmissions"]
    assert [(one["transmission_id"], one["status"]) for one in retried] == [(one, "success") for one in failed]


def test_metrics_count_the_transmissions_by_their_state(connected: Running, license_server: LicenseServer) -> None:
    _send_now(connected)
    accepted_at = connected.clock.now().timestamp()
    license_server.trouble(Trouble(before=reply(401)))
    _send_now(connected)
    connected.clock.advance(timedelta(hours=1))
    lines = connected.call(Scope.READ, "GET", "/metrics").text.splitlines()
    assert 'telemetry_transmissions{state="success"} 1.0' in lines
    assert 'telemetry_transmissions{state="held"} 1.0' in lines
    assert 'telemetry_transmissions{state="rejected"} 0.0' in lines
    assert "telemetry_transmissions_waiting 1.0" in lines
    assert _last_accepted(lines) == accepted_at
    assert "telemetry_license_server_connected 0.0" in lines


def test_no_time_of_the_past_lies_ahead_after_a_clock_that_was_ahead_is_set_right(connected: Running) -> None:
    connected.clock.advance(timedelta(days=300))
    _send_now(connected)
    connected.clock.advance(timedelta(days=-300))
    lines = connected.call(Scope.READ, "GET", "/metrics").text.splitlines()
    assert _last_accepted(lines) == connected.clock.now().timestamp()


def _last_accepted(lines: list[str]) -> float:
    return next(
        float(line.split()[1]) for line in lines if line.startswith("telemetry_last_accepted_timestamp_seconds ")
    )


def test_what_is_not_there_is_not_found(connected: Running) -> None:
    for method, path in (("GET", f"{HISTORY}/{uuid4()}"), ("POST", f"{HISTORY}/{uuid4()}/retry")):
        response = connected.call(Scope.ADMIN, method, path)
        assert (response.status_code, code_in(response)) == (404, "not-found")


def test_the_history_is_read_page_by_page_newest_first(connected: Running, clock: FrozenClock) -> None:
    sent = []
    for _ in range(5):
        sent.append(_send_now(connected)["transmission_id"])
        clock.advance(timedelta(days=1))
    seen, cursor = [], None
    while True:
        page = _history(connected, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [one["transmission_id"] for one in page["transmissions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sent[::-1]
    days = {"from": "2026-11-04", "to": "2026-11-05"}
    assert [one["transmission_id"] for one in _history(connected, **days)["transmissions"]] == sent[2:0:-1]


def test_the_history_is_filtered(connected: Running, license_server: LicenseServer) -> None:
    good = _send_now(connected)["transmission_id"]
    license_server.trouble(Trouble(before=reply(500)))
    bad = _send_now(connected)["transmission_id"]
    for query, expected in (
        ({"status": "failed"}, [bad]),
        ({"status": "success"}, [good]),
        ({"status": "pending"}, []),
        ({"trigger": "manual"}, [bad, good]),
        ({"trigger": "scheduled"}, []),
        ({"from": "2026-11-04"}, []),
        ({"to": "2026-11-03"}, [bad, good]),
    ):
        assert [one["transmission_id"] for one in _history(connected, **query)["transmissions"]] == expected


@each(
    ("query", "field"),
    [
        ("status=retrying", "status"),
        ("trigger=cron", "trigger"),
        ("from=yesterday", "from"),
        ("from=1700006400", "from"),
        ("from=2026-02-30", "from"),
        ("to=9999-12-31", "to"),
        ("to=0001-01-01", "to"),
        ("from=2026-11-02&to=2026-11-01", "from"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=1.0", "limit"),
        ("limit=x", "limit"),
        ("limit=" + "9" * 30, "limit"),
        ("stauts=failed", "stauts"),
        ("limit=1&limit=2", "limit"),
        ("status=", "status"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(shared: Running, query: str, field: str) -> None:
    response = shared.call(Scope.READ, "GET", f"{HISTORY}?{query}")
    assert response.status_code == 422
    assert fields_in(response) == [field]


@each("cursor", ["x", "before-0", "before-", "before-1 ", "after-1", "before-" + "9" * 19])
def test_a_made_up_cursor_is_refused(shared: Running, cursor: str) -> None:
    response = shared.call(Scope.READ, "GET", HISTORY, params={"cursor": cursor})
    assert (response.status_code, code_in(response)) == (422, "cursor-invalid")


def test_the_export_has_a_line_for_each_transmission_of_the_filtered_history(
    connected: Running, license_server: LicenseServer
) -> None:
    good = _send_now(connected)
    license_server.trouble(Trouble(before=reply(500)))
    bad = _send_now(connected)
    exported = connected.call(Scope.READ, "GET", f"{HISTORY}/export?format=csv")
    assert exported.headers["content-type"].startswith("text/csv")
    assert exported.headers["content-disposition"] == 'attachment; filename="telemetry-transmissions.csv"'
    rows = list(csv.DictReader(StringIO(exported.text)))
    assert [row["transmission_id"] for row in rows] == [bad["transmission_id"], good["transmission_id"]]
    assert tuple(rows[0]) == COLUMNS
    assert [(row["status"], row["response_code"], row["cause"]) for row in rows] == [
        ("failed", "500", "server_error"),
        ("success", "200", ""),
    ]
    lines = connected.call(Scope.READ, "GET", f"{HISTORY}/export?format=jsonl&status=success")
    assert lines.headers["content-type"] == "application/jsonl"
    assert [json.loads(line)["transmission_id"] for line in lines.text.splitlines()] == [good["transmission_id"]]
    actions = [entry.kind for entry in read_now(connected.context.runtime, list_activity)]
    assert actions.count(Kind.EXPORTED) == 1, "the second one is counted until the next waking"


@pytest.mark.parametrize("query", ["", "?format=xml", "?format=csv&format=jsonl", "?format=csv&limit=1"])
def test_an_export_needs_one_of_two_formats(shared: Running, query: str) -> None:
    assert shared.call(Scope.READ, "GET", f"{HISTORY}/export{query}").status_code == 422


@each("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_the_license_server_is_named_in_no_response_and_no_metric(
    connected: Running, license_server: LicenseServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    _send_now(connected)
    license_server.server.refuse()
    connected.call(Scope.ADMIN, "POST", "telemetry/test-connection")
    _send_now(connected)
    address = license_server.server.url.removeprefix("https://")
    seen = [connected.call(Scope.READ, "GET", "/metrics").text]
    seen += [
        connected.call(Scope.READ, "GET", f"telemetry/{kind}").text
        for kind in ("config", "preview", "health", "history", "history/export?format=csv", "dictionary")
    ]
    seen += [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    seen += [str(lines_in(caplog))]
    for secret in (address, API_KEY, "https://"):
        assert secret not in "\n".join(seen)

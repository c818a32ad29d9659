"""Bundles by REST and in the tab, from the export to the receipts."""

import json
from collections.abc import Iterator

import httpx
import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.receipts_file import FILE_BYTES
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.snapshot import read_now
from tests.support.connected import connected_service, pinned
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer
from tests.support.running import Running, code_in, fields_in
from tests.web.api.test_facts import report, send

BUNDLES, RECEIPTS = "telemetry/bundles", "telemetry/bundles/receipts"
TAB = "/settings/general/telemetry"


@pytest.fixture
def carried(database_url: str, clock: FrozenClock, license_server: LicenseServer) -> Iterator[Running]:
    """A service whose payloads leave in bundles; one waits."""
    environment = {"TELEMETRY_DELIVERY": "bundle", **pinned(license_server)}
    with connected_service(database_url, environment, clock) as running:
        send(running, report())
        prepared = running.call(Scope.ADMIN, "POST", "telemetry/send-now")
        assert (prepared.status_code, prepared.json()["state"]) == (202, "pending")
        assert prepared.json()["next_attempt_note"] == "None scheduled; it is sent with the next bundle."
        yield running


def export(service: Running) -> httpx.Response:
    return service.call(Scope.ADMIN, "POST", BUNDLES)


def upload(service: Running, proof: str, content: bytes) -> httpx.Response:
    files = {"file": ("receipts.json", content)}
    return service.client.post(f"{TAB}/bundles/receipts", data={"csrf_token": proof}, files=files)


def state(service: Running) -> str:
    (listed,) = service.call(Scope.READ, "GET", "telemetry/history").json()["transmissions"]
    return str(listed["state"])


def test_the_response_to_an_export_is_the_file(carried: Running, license_server: LicenseServer) -> None:
    exported = export(carried)
    assert exported.headers["content-disposition"].startswith('attachment; filename="telemetry-bundle-')
    assert json.loads(exported.content)["format"] == "control-core-telemetry-bundle/1"
    assert state(carried) == "exported"
    taken = license_server.take(exported.content)
    imported = carried.send_raw(Scope.ADMIN, "POST", RECEIPTS, taken.content).json()
    assert {name: imported[name] for name in ("accepted", "refused", "known", "ignored")} == {
        "accepted": 1,
        "refused": 0,
        "known": 0,
        "ignored": 0,
    }
    assert state(carried) == "success"
    assert code_in(export(carried)) == "nothing-to-export"


def test_an_export_and_an_import_are_entries_by_their_caller(carried: Running, license_server: LicenseServer) -> None:
    receipts = license_server.take(export(carried).content).content
    for _ in range(2):  # The second one changes nothing.
        carried.send_raw(Scope.ADMIN, "POST", RECEIPTS, receipts)
    noted = [(it.kind, it.actor) for it in read_now(carried.context.runtime, list_activity, 4)]
    caller = "token:admin"
    assert noted == [
        (Kind.IMPORTED, caller),
        (Kind.ANSWERED, "service"),
        (Kind.EXPORTED, caller),
        (Kind.ATTEMPT, "service"),
    ]


def test_the_health_and_the_history_say_what_waits_for_its_receipt(carried: Running) -> None:
    export(carried)
    said = carried.call(Scope.READ, "GET", "telemetry/health").json()
    assert said["code"] == "waiting_receipts"
    waiting = carried.call(Scope.READ, "GET", "telemetry/history?status=pending").json()["transmissions"]
    assert [it["note"] for it in waiting] == ["exported; waiting for its receipt"]


def test_the_connection_test_is_refused_with_the_reason(carried: Running) -> None:
    refused = carried.call(Scope.ADMIN, "POST", "telemetry/test-connection", json={"api_key": "ck_live_0123456789ab"})
    assert (refused.status_code, code_in(refused)) == (409, "bundles-only")


@each(
    ("body", "status"),
    [
        (b"[]", 422),
        (b'{"receipts": [], "receipts": []}', 422),
        (b'{"receipts": [7]}', 422),
        (b'{"more": []}', 422),
        (b'{"receipts":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 422),
        (b"receipts", 400),
        (b'{"receipts": ["' + b"a" * FILE_BYTES + b'"]}', 413),
    ],
)
def test_a_hostile_file_of_receipts_gets_a_clear_error(carried: Running, body: bytes, status: int) -> None:
    refused = carried.send_raw(Scope.ADMIN, "POST", RECEIPTS, body)
    assert refused.status_code == status
    assert fields_in(refused) if status == 422 else code_in(refused)


def test_without_a_pinned_key_the_import_says_what_is_missing(sqlite_url: str) -> None:
    with Running(sqlite_url, {"TELEMETRY_DELIVERY": "bundle"}) as running:
        refused = running.call(Scope.ADMIN, "POST", RECEIPTS, json={"receipts": []})
        assert (refused.status_code, code_in(refused)) == (409, "receipt-key-missing")


def test_in_the_tab_a_bundle_is_a_download_and_receipts_are_an_upload(
    carried: Running, license_server: LicenseServer
) -> None:
    cookies, proof = carried.log_in()
    carried.client.cookies.update(cookies)
    assert "Export Bundle" in carried.client.get(f"{TAB}/proof").text
    assert "in bundles only" in carried.client.get(TAB).text
    exported = carried.client.post(f"{TAB}/bundles", data={"csrf_token": proof})
    assert exported.headers["content-type"] == "application/octet-stream"
    taken = license_server.take(exported.content)
    for result in ("1 transmission accepted", "0 transmissions accepted"):
        imported = upload(carried, proof, taken.content)
        assert imported.status_code == 200
        assert result in imported.text
    assert state(carried) == "success"
    nothing = carried.client.post(f"{TAB}/bundles", data={"csrf_token": proof})
    assert (nothing.status_code, "nothing to export" in nothing.text) == (409, True)


def test_in_the_tab_a_hostile_file_is_refused_in_a_sentence(carried: Running) -> None:
    cookies, proof = carried.log_in()
    carried.client.cookies.update(cookies)
    for content in (b"[]", b"\xff" * 1_000, b"a" * (FILE_BYTES + 1)):
        refused = upload(carried, proof, content)
        assert refused.status_code == 422
        assert "This is not a file of receipts" in refused.text


def test_online_the_tab_offers_no_bundles(service: Running) -> None:
    cookies, _proof = service.log_in()
    service.client.cookies.update(cookies)
    assert "Export Bundle" not in service.client.get(f"{TAB}/proof").text

"""The ledger by REST: its entries, its export, its verifier, a verification now, and an attempt as a document."""

import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing import verify_ledger
from tests.support import ledger_attacks as by
from tests.support.actors import PROVIDED, VIEWER
from tests.support.connected import connected_service, connection_to
from tests.support.databases import ON_BOTH
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries
from tests.support.ledger_attacks import Tampering
from tests.support.ledger_lines import sha256
from tests.support.license_server import LicenseServer
from tests.support.running import Running, code_in, fields_in
from tests.web.api.test_facts import report, send

READ, ADMIN = Scope.READ, Scope.ADMIN
ENTRIES = "ledger/entries/export"


@pytest.fixture
def service(database_url: str, license_server: LicenseServer, clock: FrozenClock) -> Iterator[Running]:
    """A service that has sent once, with a receipt."""
    with connected_service(database_url, {**connection_to(license_server), **PROVIDED}, clock) as running:
        send(running, report())
        assert running.call(ADMIN, "POST", "telemetry/send-now").json()["state"] == "success"
        yield running


def get(service: Running, path: str = "ledger", **query: Any) -> Any:  # noqa: ANN401 - any JSON
    response = service.call(READ, "GET", path, params=query)
    assert response.is_success, response.text
    return response.json()


def verified(service: Running, *anchors: str) -> dict[str, Any]:
    response = service.call(READ, "POST", "ledger/verify", json={"anchors": list(anchors)})
    assert response.is_success, response.text
    found: dict[str, Any] = response.json()
    return found


@ON_BOTH
def test_entries_come_oldest_first_and_page_by_page(service: Running) -> None:
    whole = get(service, limit=1000)
    assert [entry["seq"] for entry in whole["entries"]] == list(range(1, whole["head"]["seq"] + 1))
    assert whole["next_after"] is None
    assert sha256(whole["entries"][-1]["line"]) == whole["head"]["sha256"]
    pages, after = [], 0
    while after is not None:
        page = get(service, after=after, limit=3)
        pages += page["entries"]
        after = page["next_after"]
    assert pages == whole["entries"]


@ON_BOTH
def test_entries_are_filtered_by_kind_and_by_actor(service: Running) -> None:
    kinds = {entry["claims"]["kind"] for entry in get(service, kind="attempt")["entries"]}
    assert kinds == {"attempt"}
    by_tokens = get(service, actor="token")["entries"]
    assert {entry["claims"]["actor"]["type"] for entry in by_tokens} == {"token"}
    token = by_tokens[0]["claims"]["actor"]["id"]
    assert get(service, actor=f"token {token}")["entries"] == by_tokens
    assert get(service, actor="tok")["entries"] == []
    assert get(service, actor="person", kind="attempt")["entries"] == []


def test_persons_are_named_until_they_are_erased(service: Running) -> None:
    service.log_in()
    (entry,) = named(service)
    assert entry["claims"]["actor"]["id"] == "admin"
    assert entry["claims"]["source"] == "192.0.2.8"
    assert "192.0.2.8" not in base64.urlsafe_b64decode(entry["line"].split(".")[1] + "==").decode()
    by_hand = Tampering(service.database_url)
    by_hand.write(lambda connection: connection.execute(by.SALTED.delete()))
    by_hand.close()
    (entry,) = named(service)
    assert set(entry["claims"]["source"]) == {"salted"}
    report = verified(service)
    assert report["verified"] is True
    assert report["checked"]["evidence purged or withheld"] > 0


def named(service: Running) -> Any:  # noqa: ANN401 - any JSON
    """Return the entries of logins, with what their salted digests stand for."""
    query = {"kind": "login", "persons": "true"}
    return service.call(ADMIN, "GET", "ledger", params=query).json()["entries"]


def test_a_token_that_only_reads_learns_of_no_person(service: Running) -> None:
    service.log_in()
    (entry,) = get(service, kind="login")["entries"]
    assert set(entry["claims"]["source"]) == set(entry["claims"]["actor"]["id"]) == {"salted"}
    digest = entry["claims"]["source"]["salted"]
    exported = zipfile.ZipFile(io.BytesIO(service.call(READ, "GET", "ledger/export").content))
    assert f"evidence/{digest}" not in exported.namelist()
    whole = service.call(ADMIN, "GET", "ledger/export", params={"persons": "true"})
    assert zipfile.ZipFile(io.BytesIO(whole.content)).read(f"evidence/{digest}").endswith(b"192.0.2.8")
    for path in ("ledger", "ledger/export", f"{ENTRIES}?format=csv"):
        refused = service.call(READ, "GET", f"{path}{'&' if '?' in path else '?'}persons=true")
        assert (refused.status_code, code_in(refused)) == (403, "forbidden"), path


def test_entries_are_found_by_day_and_exported_as_csv_and_json_lines(service: Running) -> None:
    service.log_in()
    today = service.clock.now().date()
    (entry,) = get(service, kind="login", **{"from": str(today), "to": str(today)})["entries"]
    assert get(service, kind="login", to=str(today - timedelta(days=1)))["entries"] == []
    assert get(service, kind="login", **{"from": str(today + timedelta(days=1))})["entries"] == []
    lines = service.call(READ, "GET", ENTRIES, params={"format": "jsonl", "kind": "login"}).text.splitlines()
    assert [json.loads(line) for line in lines] == [entry]
    whole = service.call(ADMIN, "GET", ENTRIES, params={"format": "csv", "persons": "true"}).text
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert [int(row["seq"]) for row in rows] == list(range(len(rows), 0, -1))
    login = next(row for row in rows if row["kind"] == "login")
    assert (login["actor_type"], login["actor"], login["source"]) == ("person", "admin", "192.0.2.8")
    assert (rows[0]["kind"], json.loads(rows[0]["details"])["of"]) == ("exported", "activity_with_persons")
    assert "192.0.2.8" not in service.call(READ, "GET", ENTRIES, params={"format": "csv"}).text


def test_what_one_person_did_is_only_for_whoever_may_see_persons(service: Running) -> None:
    for _ in range(2):
        service.log_in()
        service.log_in_as(VIEWER)
    first, second = (it["seq"] for it in named(service) if it["claims"]["actor"]["id"] == "admin")
    query = {"person": str(second), "kind": "login"}
    found = service.call(ADMIN, "GET", "ledger", params=query | {"limit": "1"})
    assert [it["seq"] for it in found.json()["entries"]] == [first]
    assert "admin" not in found.text, "whose entries they are is asked for, and not who that is"
    assert found.headers["Link"] == f'<?person={second}&kind=login&limit=1&after={first}>; rel="next"'
    exported = service.call(ADMIN, "GET", ENTRIES, params=query | {"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == [second, first]
    for path, more in (("ledger", {}), (ENTRIES, {"format": "csv"})):
        for wrong, problem in ((1, "that a person made"), (999_999_999, "must be the number of an entry")):
            refused = service.call(ADMIN, "GET", path, params={"person": str(wrong), **more})
            assert fields_in(refused) == ["person"]
            assert problem in refused.text
        refused = service.call(READ, "GET", path, params={"person": str(first), **more})
        assert (refused.status_code, code_in(refused)) == (403, "forbidden"), path
        service.client.cookies.update(service.log_in_as(VIEWER)[0])
        refused = service.call(None, "GET", path, params={"person": str(first), **more})
        service.client.cookies.clear()
        assert (refused.status_code, code_in(refused)) == (403, "role-missing"), path


def test_wrong_filters_are_refused_by_name(service: Running) -> None:
    backwards = {"from": "2026-11-03", "to": "2026-11-02"}
    wrong = ({"kind": "nothing"}, "kind"), ({"after": "-1"}, "after"), ({"limit": "1001"}, "limit"), (backwards, "from")
    for query, field in wrong:
        response = service.call(READ, "GET", "ledger", params=query)
        assert fields_in(response) == [field], query
    response = service.call(READ, "POST", "ledger/verify", json={"anchors": ["F" * 64]})
    assert response.status_code == 422
    assert fields_in(response) == ["anchors[0]"]


@ON_BOTH
def test_a_verification_now_finds_an_attack_and_names_the_entry(service: Running) -> None:
    report = verified(service)
    assert (report["verified"], report["problems"]) == (True, [])
    assert report["head"] == get(service)["head"]
    assert any("without an anchor" in sentence for sentence in report["not_checked"])
    tampering = Tampering(service.database_url)
    place = tampering.place_of("answered")
    by.edit(place, state="rejected")(tampering)
    tampering.close()
    report = verified(service)
    assert report["verified"] is False
    assert (place, "signature") in [(problem["seq"], problem["code"]) for problem in report["problems"]]


def test_a_verification_with_an_anchor_finds_a_truncation(service: Running) -> None:
    service.log_in()
    service.log_in()
    head = get(service)["head"]
    assert verified(service, head["sha256"])["checked"]["anchors met"] == 1
    tampering = Tampering(service.database_url)
    by.truncate(head["seq"] - 2)(tampering)
    tampering.close()
    assert verified(service)["verified"] is True
    report = verified(service, f"{head['seq']}:{head['sha256']}")
    assert [problem["code"] for problem in report["problems"]] == ["rolled_back"]


def test_a_verification_and_reading_write_no_entry(service: Running) -> None:
    before = get(service)["head"]
    verified(service)
    assert "anchors met" not in verified(service)["checked"], "what the service has verified before is no anchor"
    assert get(service)["head"] == before


@ON_BOTH
def test_the_export_verifies_offline_with_its_verifier_and_nothing_else(service: Running, tmp_path: Path) -> None:
    anchor = get(service)["head"]["sha256"]
    exported = service.call(READ, "GET", "ledger/export")
    whole = service.call(ADMIN, "GET", "ledger/export", params={"persons": "true"})
    assert exported.headers["content-type"] == "application/zip"
    assert exported.headers["content-disposition"] == 'attachment; filename="telemetry-ledger.zip"'
    (tmp_path / "export.zip").write_bytes(exported.content)
    verifier = service.call(READ, "GET", "ledger/verifier")
    assert verifier.content == Path(verify_ledger.__file__).read_bytes()
    (tmp_path / "verify_ledger.py").write_bytes(verifier.content)
    keys = json.loads(zipfile.ZipFile(io.BytesIO(exported.content)).read("keys.json"))
    command = [sys.executable, "-I", "verify_ledger.py", "export.zip", "--ledger-key", keys["ledger_key"]["public_key"]]
    command += [
        "--vendor-key",
        keys["license_server_keys"][0]["public_key"],
        "--anchor",
        anchor,
    ]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Receipts verified: 1" in ended.stdout
    assert "Evidence purged or withheld: " in ended.stdout
    (tmp_path / "export.zip").write_bytes(whole.content)
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, "purged or withheld:" in ended.stdout) == (0, False), ended.stdout + ended.stderr


@ON_BOTH
def test_exports_in_a_row_are_one_entry_and_a_count(service: Running) -> None:
    for _ in range(4):
        assert service.call(READ, "GET", "ledger/export").is_success
    runtime = service.context.runtime
    (noted,) = [entry for entry in entries(runtime.database) if entry.kind == "exported"]
    assert (noted.actor, noted.details) == ("token:read", {"of": "ledger"})
    with runtime.database.write() as tx:
        tx.ledger.note_pending(service.clock.now())
    counted = [entry for entry in entries(runtime.database) if entry.kind == "exported"][-1]
    assert counted.details["times"] == 3


def test_an_attempt_is_a_document_with_its_headers_and_digests(service: Running, license_server: LicenseServer) -> None:
    (received,) = license_server.journal()
    path = f"telemetry/history/{received.transmission_id}/attempts/1/message"
    message = get(service, path)
    body = base64.b64decode(message["body_base64"])
    assert hashlib.sha256(body).hexdigest() == message["body_sha256"] == received.body_sha256
    assert base64.b64decode(message["payload_base64"]) == received.payload
    assert message["headers"]["X-Telemetry-Id"] == str(received.transmission_id)
    assert message["headers"]["X-Telemetry-Signature"].startswith("v1,")
    assert (message["verified"], message["findings"]) == (True, [])
    (noted,) = [entry for entry in entries(service.context.runtime.database) if entry.kind == "proved"]
    assert noted.transmission_id == received.transmission_id
    missing = service.call(READ, "GET", path.replace("/1/", "/9/"))
    assert (missing.status_code, code_in(missing)) == (404, "not-found")


def test_the_bytes_of_an_attempt_are_exported_with_an_entry(service: Running, license_server: LicenseServer) -> None:
    (received,) = license_server.journal()
    for part in ("payload", "body"):
        assert service.call(READ, "GET", f"telemetry/history/{received.transmission_id}/attempts/1/{part}").is_success
    noted = [entry for entry in entries(service.context.runtime.database) if entry.kind == "exported"]
    assert {entry.transmission_id for entry in noted} == {received.transmission_id}
    assert [entry.details["part"] for entry in noted] == ["payload", "body"]

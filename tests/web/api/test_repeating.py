"""Calls that are repeated, and a history that is followed: nothing is sent twice, and no change is missed."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any
from urllib.parse import urljoin

import pytest
from httpx import Response

from telemetry_service.identity.scopes import Scope
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Visit
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.running import Running, code_in, fields_in, problem_in
from tests.support.statements import counted_statements
from tests.web.api.test_facts import report, send

SEND, HISTORY = "telemetry/send-now", "telemetry/history"
LONG_AGO = "2020-01-01T00:00:00Z"
_PATIENCE_SECONDS = 20


def send_now(service: Running, key: str) -> Response:
    return service.call(Scope.ADMIN, "POST", SEND, headers={"Idempotency-Key": key})


def history(service: Running, **query: object) -> Response:
    return service.call(Scope.READ, "GET", HISTORY, params=query)


def ids(page: Response) -> list[str]:
    return [one["transmission_id"] for one in page.json()["transmissions"]]


@ON_BOTH
def test_while_the_first_call_is_sending_another_with_its_key_says_when_to_come_back(
    connected: Running, license_server: LicenseServer
) -> None:
    arrived, go_on = Event(), Event()

    def wait(visit: Visit) -> None:
        arrived.set()
        assert go_on.wait(_PATIENCE_SECONDS)
        reply(422)(visit)

    license_server.trouble(Trouble(before=wait))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send_now, connected, "once")
        assert arrived.wait(_PATIENCE_SECONDS)
        second = send_now(connected, "once")
        go_on.set()
    assert (second.status_code, code_in(second), second.headers["Retry-After"]) == (409, "idempotency-key-in-use", "5")
    assert problem_in(second)["retryable"] is True
    replayed = send_now(connected, "once")
    assert (first.result().status_code, first.result().json()["state"]) == (200, "rejected")
    assert ids(history(connected)) == [replayed.json()["transmission_id"]] == [first.result().json()["transmission_id"]]


def test_a_replay_says_that_it_is_one(connected: Running) -> None:
    first, again = send_now(connected, "a"), send_now(connected, "a")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()


def test_retry_of_what_was_accepted_meanwhile_returns_it(connected: Running, license_server: LicenseServer) -> None:
    sent = send_now(connected, "a").json()
    again = connected.call(Scope.ADMIN, "POST", f"{HISTORY}/{sent['transmission_id']}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "success")
    assert len(license_server.journal()) == 1


def test_every_response_has_a_request_id_the_callers_own_if_it_is_well_formed(shared: Running) -> None:
    for headers in ({"X-Request-Id": "job-7"}, {}):
        calls = (("GET", "/healthz"), ("GET", f"/api/v1/{HISTORY}"), ("GET", "/api/v1/none"), ("PUT", "/api/v1/usage"))
        found = [shared.call(Scope.READ, *call, headers=headers).headers["X-Request-Id"] for call in calls]
        assert set(found) == {"job-7"} if headers else len(set(found)) == len(found)
    for wrong in ("two words", "x" * 65, "ä".encode().decode("latin-1")):
        made = shared.call(Scope.READ, "GET", HISTORY, headers={"X-Request-Id": wrong.encode("latin-1")})
        assert made.headers["X-Request-Id"] not in {wrong, ""}


def test_a_page_links_to_the_next_one_with_the_same_filters(lived: Running) -> None:
    for path, seen, query in (
        (HISTORY, "transmissions", {"limit": 2, "from": "2020-01-01"}),
        ("ledger", "entries", {"limit": 5}),
    ):
        page = lived.call(Scope.READ, "GET", path, params=query)
        found = len(page.json()[seen])
        pages = 1
        while link := page.headers.get("Link"):
            assert link.endswith('>; rel="next"')
            target = urljoin(str(page.url), link[1 : link.index(">")])
            page = lived.call(Scope.READ, "GET", target.removeprefix(str(lived.client.base_url)))
            found += len(page.json()[seen])
            pages += 1
        whole = lived.call(Scope.READ, "GET", path, params={"limit": 100}).json()[seen]
        assert (found, pages > 1) == (len(whole), True), path


@ON_BOTH
def test_a_failed_transmission_that_succeeds_later_is_found_again(lived: Running) -> None:
    first = history(lived, updated_since=LONG_AGO, limit=2)
    second = history(lived, cursor=first.json()["next_cursor"], limit=2)
    assert len({*ids(first), *ids(second)}) == 3
    assert (second.json()["next_cursor"], "Link" in first.headers, "Link" in second.headers) == (None, True, False)
    cursor = second.json()["updates_cursor"]
    nothing = history(lived, cursor=cursor).json()
    assert (nothing["transmissions"], nothing["updates_cursor"]) == ([], cursor)
    lived.clock.advance(timedelta(days=-3))  # No clock is compared.
    failed = next(one for one in history(lived).json()["transmissions"] if one["state"] == "rejected")
    assert lived.call(Scope.ADMIN, "POST", f"{HISTORY}/{failed['transmission_id']}/retry").is_success
    changed = history(lived, cursor=cursor).json()
    assert [(one["transmission_id"], one["state"]) for one in changed["transmissions"]] == [
        (failed["transmission_id"], "success")
    ]
    assert history(lived, cursor=changed["updates_cursor"]).json()["transmissions"] == []


@ON_BOTH
def test_changes_are_listed_from_a_moment_and_with_filters(lived: Running) -> None:
    began = lived.clock.now()
    lived.clock.advance(timedelta(hours=1))
    later = send_now(lived, "later").json()["transmission_id"]
    since = (began + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    assert ids(history(lived, updated_since=since)) == [later]
    assert ids(history(lived, updated_since="2090-01-01T00:00:00Z")) == []
    whole = history(lived, updated_since=LONG_AGO)
    assert ids(whole)[-1] == later
    assert set(ids(whole)) == set(ids(history(lived)))
    failed = history(lived, updated_since=LONG_AGO, status="failed").json()["transmissions"]
    assert {one["status"] for one in failed} == {"failed"}


@pytest.mark.parametrize("since", ["2026-11-03", "yesterday", "1762164000", "2026-11-03T10:00:00"])
def test_the_moment_of_changes_has_a_time_zone(shared: Running, since: str) -> None:
    refused = history(shared, updated_since=since)
    assert (refused.status_code, fields_in(refused)) == (422, ["updated_since"])


def full_export(service: Running, **query: str) -> list[dict[str, Any]]:
    exported = service.call(Scope.READ, "GET", f"{HISTORY}/export", params={"format": "full", **query})
    assert exported.status_code == 200, exported.text
    return [json.loads(line) for line in exported.text.splitlines()]


@ON_BOTH
def test_the_full_export_has_what_each_transmission_shows_alone(lived: Running) -> None:
    exported = full_export(lived)
    assert [one["transmission_id"] for one in exported] == ids(history(lived))
    for one in exported:
        assert one == lived.call(Scope.READ, "GET", f"{HISTORY}/{one['transmission_id']}").json()
        assert one["payload"]["total_events"] == 20
        assert one["attempts"][0]["payload_sha256"]
    assert [one["receipt"] is not None for one in exported] == [False, False, True]


@ON_BOTH
def test_the_export_of_changes_has_each_transmission_that_changed_once(lived: Running) -> None:
    assert full_export(lived, updated_since=LONG_AGO) == full_export(lived)
    assert full_export(lived, updated_since="2090-01-01T00:00:00Z") == []
    since = (lived.clock.now() + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    lived.clock.advance(timedelta(hours=1))
    later = send_now(lived, "later").json()["transmission_id"]
    failed = next(one for one in history(lived).json()["transmissions"] if one["state"] == "rejected")
    lived.call(Scope.ADMIN, "POST", f"{HISTORY}/{failed['transmission_id']}/retry")
    changed = full_export(lived, updated_since=since)
    assert [one["transmission_id"] for one in changed] == [later, failed["transmission_id"]]
    assert full_export(lived, updated_since=since, status="withdrawn") == []
    for form in ("csv", "jsonl"):
        asked = {"format": form, "updated_since": since}
        written = lived.call(Scope.READ, "GET", f"{HISTORY}/export", params=asked).text
        assert sum(identity in written for identity in ids(history(lived))) == 2


def test_the_full_export_asks_the_database_as_often_for_many_as_for_few(lived: Running) -> None:
    asked = []
    for _ in range(2):
        full_export(lived)
        with counted_statements() as counted:
            full_export(lived)
        asked.append(counted.statements)
        for number in range(5):
            send(lived, report())
            send_now(lived, f"more-{len(asked)}-{number}")
    assert asked[0] == asked[1]

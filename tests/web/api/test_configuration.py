"""The configuration over REST: saved as a whole, never over a newer one, and without showing the key."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from httpx import Response

from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.snapshot import read_now
from tests.support.each import each
from tests.support.running import Running, code_in, fields_in, problem_in

CONFIG = "telemetry/config"
KEY = "ck_live_canary_0123456789"
VALUES = {
    "enabled": True,
    "frequency": "daily",
    "encrypt_payload": False,
    "anonymize_pii": False,
    "retention_days": 90,
}


def test_the_defaults_are_those_of_the_guide(service: Running) -> None:
    response = service.call(Scope.READ, "GET", CONFIG)
    assert response.json() == {
        "enabled": True,
        "frequency": "twice_monthly",
        "encrypt_payload": True,
        "anonymize_pii": True,
        "retention_days": 30,
        "locked": [],
        "updated_at": "2026-11-03T10:00:00.000Z",
        "old_api_key": None,
        "api_key": {"configured": False, "hint": None, "key_id": None, "set_at": None},
        "license_server": {"configured": False, "connected": None, "badge": "not_configured"},
        "next_run_at": "2026-11-15T02:00:00.000Z",
        "next_send_at": None,
    }


def test_a_save_names_the_version_that_it_changes(service: Running) -> None:
    seen = service.call(Scope.READ, "GET", CONFIG).headers["etag"]
    saved = service.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers={"If-Match": seen})
    assert saved.status_code == 200
    assert saved.json()["next_run_at"] == "2026-11-04T02:00:00.000Z"
    assert saved.headers["etag"] == service.call(Scope.READ, "GET", CONFIG).headers["etag"] != seen
    stale = service.call(Scope.ADMIN, "PUT", CONFIG, json={**VALUES, "enabled": False}, headers={"If-Match": seen})
    assert (stale.status_code, code_in(stale)) == (412, "stale-configuration")
    assert service.call(Scope.READ, "GET", CONFIG).json()["enabled"] is True


@each(
    ("if_match", "status"),
    [
        (None, 428),
        *[
            (none, 412)
            for none in ('W/"{}"', '"x"', '""', '"-1"', '"0{}"', '"1000000", "1000001"', '"{},9"', f'"{"9" * 40}"')
        ],
        *[(no_list, 422) for no_list in ("", ",", "{}", '"{}" "9"', '"{}', '*, "{}"', "w/{}", '"9"; "{}"')],
    ],
)
def test_a_save_without_the_present_version_is_refused(shared: Running, if_match: str | None, status: int) -> None:
    version = shared.call(Scope.READ, "GET", CONFIG).headers["etag"].strip('"')
    headers = {} if if_match is None else {"If-Match": if_match.replace("{}", version)}
    response = shared.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers=headers)
    assert response.status_code == status
    assert status != 422 or fields_in(response) == ["If-Match"]


@pytest.mark.parametrize("if_match", ['"{}"', '"x,y", "{}"', 'W/"{}" ,\t"{}"', ',"{}",,', '"é" , "{}"', "*"])
def test_a_save_may_name_several_versions_or_whichever_there_is(shared: Running, if_match: str) -> None:
    version = shared.call(Scope.READ, "GET", CONFIG).headers["etag"].strip('"')
    headers = {"If-Match": if_match.replace("{}", version).encode("latin-1")}
    assert shared.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers=headers).status_code == 200


def test_the_versions_may_stand_in_several_headers(shared: Running) -> None:
    current = shared.call(Scope.READ, "GET", CONFIG).headers["etag"]
    authorization = ("Authorization", f"Bearer {shared.tokens[Scope.ADMIN]}")
    headers = [authorization, ("If-Match", '"x"'), ("If-Match", current)]
    assert shared.client.put(f"/api/v1/{CONFIG}", json=VALUES, headers=headers).status_code == 200


PATCH = {"Content-Type": "application/merge-patch+json"}


def patch(service: Running, body: object, query: str = "", **headers: str) -> Response:
    content = json.dumps(body)
    return service.call(Scope.ADMIN, "PATCH", CONFIG + query, content=content, headers=PATCH | headers)


def versions(service: Running) -> tuple[str, str, int]:
    """Return what shows that something was saved: the ETag, the time, and the number of the latest entry."""
    read, entries = service.call(Scope.READ, "GET", CONFIG), service.call(Scope.READ, "GET", "ledger").json()
    return read.headers["etag"], read.json()["updated_at"], entries["head"]["seq"]


def test_a_patch_changes_what_it_names(service: Running) -> None:
    before = service.call(Scope.READ, "GET", CONFIG)
    changed = patch(service, {"retention_days": 90})
    assert (changed.status_code, changed.json()["retention_days"]) == (200, 90)
    assert changed.json()["frequency"] == before.json()["frequency"]
    stale = patch(service, {"enabled": False}, **{"If-Match": before.headers["etag"]})
    assert (stale.status_code, code_in(stale)) == (412, "stale-configuration")
    current = {"If-Match": changed.headers["etag"]}
    assert patch(service, {"frequency": "daily", "encrypt_payload": False}, **current).json()["frequency"] == "daily"


@each(
    ("body", "field"),
    [
        ({"retention_days": None}, "retention_days"),
        ({"retention_days": 8}, "retention_days"),
        ({"locked": []}, "locked"),
        ([], "body"),
    ],
)
def test_a_patch_neither_removes_a_setting_nor_invents_one(shared: Running, body: object, field: str) -> None:
    response = patch(shared, body)
    assert (response.status_code, fields_in(response)) == (422, [field])


def test_a_patch_says_that_it_is_one(shared: Running) -> None:
    refused = shared.call(Scope.ADMIN, "PATCH", CONFIG, json={"retention_days": 90})
    assert (refused.status_code, code_in(refused)) == (415, "media-type-refused")
    assert "application/merge-patch+json" in problem_in(refused)["detail"]
    assert shared.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers=PATCH).status_code in {415, 428}


def test_what_changes_nothing_leaves_no_trace(service: Running) -> None:
    assert service.call(Scope.ADMIN, "PUT", f"{CONFIG}/api-key", json={"api_key": KEY}).is_success
    assert service.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers={"If-Match": "*"}).is_success
    before = versions(service)
    service.clock.advance(timedelta(minutes=5))
    assert service.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers={"If-Match": "*"}).is_success
    assert service.call(Scope.ADMIN, "PUT", f"{CONFIG}/api-key", json={"api_key": KEY}).is_success
    assert patch(service, {}).is_success
    assert patch(service, VALUES).is_success
    for refused in ("PUT", "PATCH"):
        dry = service.call(
            Scope.ADMIN,
            refused,
            f"{CONFIG}?dry_run=true",
            content=json.dumps(VALUES | {"enabled": False}),
            headers={
                "Content-Type": PATCH["Content-Type"] if refused == "PATCH" else "application/json",
                "If-Match": "*",
            },
        )
        assert (dry.status_code, dry.json()["changes"]) == (200, ["enabled"])
    assert versions(service) == before


def test_the_api_key_is_not_changed_over_a_newer_version(service: Running) -> None:
    seen = {"If-Match": service.call(Scope.READ, "GET", CONFIG).headers["etag"]}
    path = f"{CONFIG}/api-key"
    saved = service.call(Scope.ADMIN, "PUT", path, json={"api_key": KEY}, headers=seen)
    assert saved.status_code == 200
    for method, body in (("PUT", {"json": {"api_key": KEY[::-1]}}), ("DELETE", {})):
        stale = service.call(Scope.ADMIN, method, path, headers=seen, **body)
        assert (stale.status_code, code_in(stale)) == (412, "stale-configuration")
    current = {"If-Match": saved.headers["etag"]}
    assert service.call(Scope.ADMIN, "DELETE", path, headers=current).json()["api_key"]["configured"] is False


def test_the_api_key_is_set_shown_and_removed_and_each_is_noted(service: Running) -> None:
    stored = service.call(Scope.ADMIN, "PUT", f"{CONFIG}/api-key", json={"api_key": KEY})
    assert stored.json()["api_key"] | {"key_id": ""} == {
        "configured": True,
        "hint": "6789",
        "key_id": "",
        "set_at": "2026-11-03T10:00:00.000Z",
    }
    shown = service.call(Scope.ADMIN, "POST", f"{CONFIG}/api-key/reveal")
    assert shown.json() == {"api_key": KEY}
    assert shown.headers["cache-control"] == "no-store"
    removed = service.call(Scope.ADMIN, "DELETE", f"{CONFIG}/api-key")
    assert removed.json()["api_key"]["configured"] is False
    noted = [entry for entry in read_now(service.context.runtime, list_activity) if entry.actor == "token:admin"]
    assert [entry.kind for entry in noted] == [
        Kind.KEY_REMOVED,
        Kind.KEY_REVEALED,
        Kind.KEY_SET,
    ]


def test_the_api_key_is_in_no_other_response(service: Running) -> None:
    service.call(Scope.ADMIN, "PUT", f"{CONFIG}/api-key", json={"api_key": KEY})
    service.call(Scope.REPORT, "PUT", "license", json={"tier": "trial", "license_status": "trial"})
    for path in (CONFIG, "telemetry/preview", "telemetry/history", "telemetry/health", "license", "/metrics"):
        assert KEY not in service.call(Scope.READ, "GET", path).text
    assert KEY not in service.call(Scope.ADMIN, "POST", "telemetry/test-connection").text


def test_without_a_key_there_is_nothing_to_show(shared: Running) -> None:
    response = shared.call(Scope.ADMIN, "POST", f"{CONFIG}/api-key/reveal")
    assert (response.status_code, code_in(response)) == (409, "not-configured")


@each("key", ["k" * 15, "k" * 257, "k" * 19 + " ", "k" * 19 + "é", "k" * 19 + "\n", "k" * 19 + "\x7f"])
def test_an_api_key_is_sixteen_to_256_visible_characters(shared: Running, key: str) -> None:
    for method, path in (("PUT", f"{CONFIG}/api-key"), ("POST", "telemetry/test-connection")):
        response = shared.call(Scope.ADMIN, method, path, json={"api_key": key})
        assert response.status_code == 422
        assert fields_in(response) == ["api_key"]
        assert "kkkk" not in response.text


@pytest.mark.parametrize("path", ["PUT config/api-key", "POST test-connection"])
@pytest.mark.parametrize("key", ["k" * 20, "changeme" * 2])
def test_a_placeholder_is_no_api_key(shared: Running, path: str, key: str) -> None:
    method, _, name = path.partition(" ")
    response = shared.call(Scope.ADMIN, method, f"telemetry/{name}", json={"api_key": key})
    assert response.status_code == 422
    assert problem_in(response)["errors"] == [
        {"field": "api_key", "problem": "must not be a placeholder that repeats a few characters"}
    ]


@pytest.fixture
def locked(sqlite_url: str) -> Iterator[Running]:
    with Running(sqlite_url, {"TELEMETRY_ENABLED": "false"}) as running:
        yield running


def test_a_deployment_can_switch_telemetry_off_for_good(locked: Running) -> None:
    response = locked.call(Scope.READ, "GET", CONFIG)
    found = response.json()
    assert (found["locked"], found["enabled"], found["next_run_at"]) == (["enabled"], False, None)
    off = locked.call(
        Scope.ADMIN, "PUT", CONFIG, json={**VALUES, "enabled": False}, headers={"If-Match": response.headers["etag"]}
    )
    assert off.json()["enabled"] is False
    assert patch(locked, {"retention_days": 30}).json()["retention_days"] == 30
    on = locked.call(Scope.ADMIN, "PUT", CONFIG, json=VALUES, headers={"If-Match": "*"})
    tried = patch(locked, {"enabled": True}, "?dry_run=true")
    assert (tried.status_code, code_in(tried)) == (409, "setting-locked")
    assert (on.status_code, code_in(on)) == (409, "setting-locked")


def test_while_telemetry_is_off_nothing_contacts_the_license_server(locked: Running) -> None:
    for path in ("test-connection", "send-now", "history/retry-failed"):
        response = locked.call(Scope.ADMIN, "POST", f"telemetry/{path}")
        assert (response.status_code, code_in(response)) == (409, "telemetry-disabled")


def test_what_the_deployment_sets_is_listed_and_refused_with_its_variable(sqlite_url: str) -> None:
    with Running(sqlite_url, {variable: value for variable, value, _ in LOCKS.values()}) as running:
        before = running.call(Scope.READ, "GET", CONFIG).json()
        assert before["locked"] == list(LOCKS)
        for name, (variable, _, other) in LOCKS.items():
            for refused in _changing(running, name, other):
                assert (refused.status_code, code_in(refused)) == (409, "setting-locked"), name
                assert variable in problem_in(refused)["detail"]
                assert KEY not in refused.text
        assert running.call(Scope.READ, "GET", CONFIG).json() == before


LOCKS: dict[str, tuple[str, str, object]] = {
    "frequency": ("TELEMETRY_CONFIG_FREQUENCY", "weekly", "daily"),
    "encrypt_payload": ("TELEMETRY_CONFIG_ENCRYPT_PAYLOAD", "false", True),
    "anonymize_pii": ("TELEMETRY_CONFIG_ANONYMIZE_PII", "false", True),
    "retention_days": ("TELEMETRY_CONFIG_RETENTION_DAYS", "365", 90),
    "api_key": ("TELEMETRY_API_KEY", KEY, "ck_live_other_0123456789"),
}


def _changing(service: Running, name: str, other: object) -> Iterator[Response]:
    """Yield the responses to every way of changing a setting."""
    if name == "api_key":
        yield service.call(Scope.ADMIN, "PUT", f"{CONFIG}/api-key", json={name: other})
        yield service.call(Scope.ADMIN, "DELETE", f"{CONFIG}/api-key")
        return
    values = {it: service.call(Scope.READ, "GET", CONFIG).json()[it] for it in VALUES}
    yield service.call(Scope.ADMIN, "PUT", CONFIG, json={**values, name: other}, headers={"If-Match": "*"})
    yield patch(service, {name: other})
    yield patch(service, {name: other}, "?dry_run=true")
    assert patch(service, {name: values[name]}).status_code == 200, "what changes nothing is not refused"

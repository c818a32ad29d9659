"""Service tokens by REST: the value once, and everything else as often as an administrator asks (M2, I9)."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.clock import rfc3339
from telemetry_service.identity.scopes import Scope
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.running import Running, code_in, fields_in

BOOTSTRAP = "0123456789abcdef0123456789ABCDEF"
API_KEY = "ck_shown_0123456789"


@pytest.fixture(scope="module")
def service(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("tokens")
    with Running(run_databases.sqlite(folder), {"TELEMETRY_BOOTSTRAP_TOKEN": BOOTSTRAP}) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_is_created_used_listed_and_revoked(service: Running) -> None:
    new = {"name": "control-plane", "scopes": ["read", "report"], "expires_in_days": 90}
    created = service.call(Scope.ADMIN, "POST", "tokens", json=new)
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    document = created.json()
    token = document.pop("token")
    assert (document["name"], document["scopes"]) == ("control-plane", ["report", "read"])
    assert document["expires_at"] == rfc3339(service.clock.now() + timedelta(days=90))
    assert service.client.get("/api/v1/license", headers=bearer(token)).status_code == 200
    listed = service.call(Scope.ADMIN, "GET", "tokens")
    assert token not in listed.text
    (found,) = [one for one in listed.json()["tokens"] if one["name"] == "control-plane"]
    assert found == document | {"last_used_at": rfc3339(service.clock.now())}
    path = f"tokens/{document['token_id']}"
    assert service.call(Scope.ADMIN, "DELETE", path).status_code == 204
    refused = service.client.get("/api/v1/license", headers=bearer(token))
    assert (refused.status_code, code_in(refused)) == (401, "unauthenticated")
    again = service.call(Scope.ADMIN, "DELETE", path)
    assert (again.status_code, code_in(again)) == (404, "not-found")


def test_a_token_lasts_a_year_unless_it_is_said_otherwise(service: Running) -> None:
    lasting = {}
    said: dict[str, dict[str, int | None]] = {
        "usual": {},
        "for-ever": {"expires_in_days": None},
        "short": {"expires_in_days": 1},
    }
    for name, days in said.items():
        new = {"name": name, "scopes": ["read"], **days}
        lasting[name] = service.client.post("/api/v1/tokens", json=new, headers=bearer(BOOTSTRAP)).json()
    assert lasting["usual"]["expires_at"] == rfc3339(service.clock.now() + timedelta(days=365))
    assert lasting["for-ever"]["expires_at"] is None
    service.clock.advance(timedelta(days=1))
    try:
        refused = service.client.get("/api/v1/license", headers=bearer(lasting["short"]["token"]))
        assert (refused.status_code, code_in(refused)) == (401, "token-expired")
    finally:
        service.clock.advance(timedelta(days=-1))


REFUSED = {
    "no name": ({"scopes": ["read"]}, ["name"]),
    "no scope": ({"name": "x", "scopes": []}, ["scopes"]),
    "unknown scope": ({"name": "x", "scopes": ["everything"]}, ["scopes[0]"]),
    "a name of two words": ({"name": "two words", "scopes": ["read"]}, ["name"]),
    "no days": ({"name": "x", "scopes": ["read"], "expires_in_days": 0}, ["expires_in_days"]),
    "days without end": ({"name": "x", "scopes": ["read"], "expires_in_days": 3651}, ["expires_in_days"]),
    "a text of days": ({"name": "x", "scopes": ["read"], "expires_in_days": "90"}, ["expires_in_days"]),
    "something else": ({"name": "x", "scopes": ["read"], "token": "mine"}, ["token"]),
}


@each("case", REFUSED)
def test_what_no_token_can_be_created_from_is_refused(service: Running, case: str) -> None:
    body, fields = REFUSED[case]
    response = service.call(Scope.ADMIN, "POST", "tokens", json=body)
    assert response.status_code == 422
    assert fields_in(response) == fields


def test_a_taken_and_a_reserved_name_are_refused(service: Running) -> None:
    taken = service.call(Scope.ADMIN, "POST", "tokens", json={"name": "admin", "scopes": ["read"]})
    assert (taken.status_code, code_in(taken)) == (409, "token-name-taken")
    reserved = service.call(Scope.ADMIN, "POST", "tokens", json={"name": "bootstrap", "scopes": ["read"]})
    assert (reserved.status_code, code_in(reserved)) == (422, "token-refused")


def test_a_browser_creates_a_token_only_after_a_recent_login(service: Running) -> None:
    # Otherwise an open session could show itself the API key without the password.
    cookies, proof = service.log_in()
    headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}", "X-CSRF-Token": proof}
    new = {"name": "by-browser", "scopes": ["admin"]}
    assert service.client.post("/api/v1/tokens", json=new, headers=headers).status_code == 201
    service.clock.advance(timedelta(minutes=11))  # The other tests do not mind.
    refused = service.client.post("/api/v1/tokens", json=new | {"name": "later"}, headers=headers)
    assert (refused.status_code, code_in(refused)) == (403, "recent-login-required")
    assert service.client.get("/api/v1/tokens", headers=headers).status_code == 200


def test_the_deployments_own_token_creates_the_others(service: Running) -> None:
    new = {"name": "by-bootstrap", "scopes": ["report"]}
    created = service.client.post("/api/v1/tokens", json=new, headers=bearer(BOOTSTRAP))
    assert created.status_code == 201
    entry = service.client.get("/api/v1/ledger?kind=token_created&limit=1000", headers=bearer(BOOTSTRAP)).json()
    assert entry["entries"][-1]["claims"]["actor"] == {"type": "token", "id": "bootstrap", "name": "bootstrap"}
    assert service.client.post("/api/v1/usage", json={"reports": []}, headers=bearer(BOOTSTRAP)).status_code == 403


def test_a_token_that_a_token_creates_expires_with_it_at_the_latest(service: Running) -> None:
    new = {"name": "maker", "scopes": ["admin"], "expires_in_days": 2}
    maker = service.client.post("/api/v1/tokens", json=new, headers=bearer(BOOTSTRAP)).json()
    for name, days in {"longer": 3650, "without-end": None, "shorter": 1}.items():
        new = {"name": name, "scopes": ["admin"], "expires_in_days": days}
        made = service.client.post("/api/v1/tokens", json=new, headers=bearer(maker["token"]))
        ends = rfc3339(service.clock.now() + timedelta(days=1)) if days == 1 else maker["expires_at"]
        assert (made.status_code, made.json()["expires_at"]) == (201, ends)


def test_tokens_are_shown_the_api_key_ten_times_an_hour_however_many_there_are(service: Running) -> None:
    assert service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY}).is_success
    shown = [service.call(Scope.ADMIN, "POST", "telemetry/config/api-key/reveal") for _ in range(12)]
    assert [response.status_code for response in shown] == [200] * 10 + [429] * 2
    assert code_in(shown[-1]) == "reveal-throttled"
    assert shown[-1].headers["retry-after"] == "3600"
    assert API_KEY not in shown[-1].text
    new = {"name": "another", "scopes": ["admin"]}
    made = service.call(Scope.ADMIN, "POST", "tokens", json=new).json()["token"]
    for other in (made, BOOTSTRAP):
        response = service.client.post("/api/v1/telemetry/config/api-key/reveal", headers=bearer(other))
        assert response.status_code == 429
    refused = service.call(Scope.READ, "GET", "ledger?kind=reveal_refused").json()["entries"]
    assert {entry["claims"]["reason"] for entry in refused} == {"too_often"}

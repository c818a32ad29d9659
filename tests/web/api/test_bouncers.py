"""The registry of bouncers, one by one and as a whole, and warnings of what is probably not meant."""

from collections.abc import Iterator

import pytest
from httpx import Response

from telemetry_service.identity.scopes import Scope
from tests.support.databases import ON_BOTH
from tests.support.running import Running, code_in, fields_in, problem_in
from tests.web.api.test_facts import report, send

REGISTRY = "bouncers"


def one(name: str, environment: str = "production", pair: str | None = None) -> dict[str, str]:
    return {"bouncer_id": name, "environment": environment, "pair_id": pair or f"pair-{name}"}


def put(service: Running, *bouncers: dict[str, str], query: str = "", **headers: str) -> Response:
    body = {"bouncers": list(bouncers)}
    return service.call(Scope.REPORT, "PUT", REGISTRY + query, json=body, headers=headers)


def names(service: Running) -> list[str]:
    return [found["bouncer_id"] for found in service.call(Scope.READ, "GET", REGISTRY).json()["bouncers"]]


@ON_BOTH
def test_a_registry_is_replaced_and_says_what_changed(service: Running) -> None:
    first = put(service, one("a"), one("b"), one("c"))
    assert first.json() == {"added": ["a", "b", "c"], "removed": [], "changed": [], "unchanged": 0, "warnings": []}
    registered = service.call(Scope.READ, "GET", f"{REGISTRY}/b").json()["registered_at"]
    second = (one("d"), one("b", "sandbox"), one("c"))
    tried, done, again = (put(service, *second, query=query) for query in ("?dry_run=true", "", ""))
    said = {"added": ["d"], "removed": ["a"], "changed": ["b"], "unchanged": 1, "warnings": []}
    assert tried.json() == done.json() == said
    assert again.json() == {"added": [], "removed": [], "changed": [], "unchanged": 3, "warnings": []}
    assert names(service) == ["b", "c", "d"]
    assert service.call(Scope.READ, "GET", f"{REGISTRY}/b").json() == one("b", "sandbox") | {
        "registered_at": registered
    }
    assert put(service).json()["removed"] == ["b", "c", "d"]


def test_a_replacement_keeps_the_usage_that_removed_bouncers_have_reported(service: Running) -> None:
    put(service, one("bouncer-1"))
    send(service, report())
    assert put(service, one("other")).json()["removed"] == ["bouncer-1"]
    assert service.call(Scope.READ, "GET", "telemetry/preview").json()["figures"]["total_events"] == 10


def test_one_bouncer_is_read_and_none_that_is_not_registered(service: Running) -> None:
    made = service.call(Scope.REPORT, "PUT", f"{REGISTRY}/a", json={"environment": "sandbox", "pair_id": "p"})
    read = service.call(Scope.REPORT, "GET", f"{REGISTRY}/a")
    assert read.json() == {name: value for name, value in made.json().items() if name != "warnings"}
    assert read.headers["etag"] == made.headers["etag"]
    unknown = service.call(Scope.READ, "GET", f"{REGISTRY}/b")
    assert (unknown.status_code, code_in(unknown)) == (404, "not-found")


def test_if_match_counts_for_one_bouncer_and_for_all(service: Running) -> None:
    put(service, one("a"))
    path, body = f"{REGISTRY}/a", {"environment": "sandbox", "pair_id": "p"}
    whole, single = (service.call(Scope.READ, "GET", at).headers["etag"] for at in (REGISTRY, path))
    changed = service.call(Scope.REPORT, "PUT", path, json=body, headers={"If-Match": single})
    assert changed.status_code == 200
    absent = {"environment": "sandbox", "pair_id": "p"}
    for stale in (
        service.call(Scope.REPORT, "PUT", path, json=body, headers={"If-Match": single}),
        service.call(Scope.REPORT, "DELETE", path, headers={"If-Match": single}),
        put(service, one("b"), **{"If-Match": whole}),
        service.call(Scope.REPORT, "PUT", f"{REGISTRY}/none", json=absent, headers={"If-Match": "*"}),
    ):
        assert (stale.status_code, code_in(stale)) == (412, "stale-bouncers")
    assert names(service) == ["a"]
    assert service.call(Scope.REPORT, "DELETE", path, headers={"If-Match": changed.headers["etag"]}).status_code == 204
    assert put(service, **{"If-Match": service.call(Scope.READ, "GET", REGISTRY).headers["etag"]}).status_code == 200


def test_a_bouncer_is_registered_only_if_it_is_new_for_whoever_asks_so(service: Running) -> None:
    path, body = f"{REGISTRY}/a", {"environment": "sandbox", "pair_id": "p"}
    new = {"If-None-Match": "*"}
    first = service.call(Scope.REPORT, "PUT", path, json=body, headers=new)
    again = service.call(Scope.REPORT, "PUT", path, json=body | {"pair_id": "q"}, headers=new)
    assert (first.status_code, again.status_code, code_in(again)) == (200, 412, "stale-bouncers")
    tags = service.call(Scope.REPORT, "PUT", path, json=body, headers={"If-None-Match": '"x"'})
    assert (tags.status_code, fields_in(tags)) == (422, ["If-None-Match"])
    assert service.call(Scope.READ, "GET", path).json()["pair_id"] == "p"


@pytest.fixture
def bounded(sqlite_url: str) -> Iterator[Running]:
    """A service that takes two bouncers."""
    with Running(sqlite_url, {"TELEMETRY_MAX_BOUNCERS": "2"}) as running:
        yield running


def test_a_registry_beyond_the_limit_or_with_a_name_twice_is_refused_as_a_whole(bounded: Running) -> None:
    put(bounded, one("a"))
    full = put(bounded, one("b"), one("c"), one("d"))
    assert (full.status_code, code_in(full)) == (409, "registry-full")
    twice = problem_in(put(bounded, one("b"), one("b", "sandbox")))
    assert (twice["status"], twice["errors"][0]["index"]) == (422, 1)
    assert names(bounded) == ["a"]
    assert put(bounded, one("b"), one("c")).status_code == 200


@ON_BOTH
def test_two_production_bouncers_of_a_pair_are_warned_of_both_ways(service: Running) -> None:
    whole = put(service, one("a", pair="p"), one("b", pair="p"), one("c", "sandbox", pair="p"), one("d"))
    assert [(said["code"], said["bouncer_id"]) for said in whole.json()["warnings"]] == [
        ("pair-has-two-production-bouncers", "a"),
        ("pair-has-two-production-bouncers", "b"),
    ]
    for environment, codes in (("production", ["pair-has-two-production-bouncers"]), ("sandbox", [])):
        body = {"environment": environment, "pair_id": "p"}
        said = service.call(Scope.REPORT, "PUT", f"{REGISTRY}/e", json=body).json()["warnings"]
        assert [warning["code"] for warning in said] == codes
        assert not said or "one sandbox and one production bouncer" in said[0]["sentence"]


@ON_BOTH
def test_ten_thousand_bouncers_are_replaced_in_one_call(service: Running) -> None:
    many = [one(f"bouncer-{number:05}", pair=f"pair-{number // 2}") for number in range(10_000)]
    assert len(put(service, *many).json()["added"]) == 10_000
    assert put(service, *many).json()["unchanged"] == 10_000
    assert put(service, *many, one("more")).status_code == 422

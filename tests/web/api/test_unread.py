"""What a call would ignore is refused: anyone who sent it expects another result."""

from collections.abc import Iterator
from dataclasses import dataclass

from httpx import Response

from telemetry_service.identity.scopes import Scope
from tests.support.running import Running, code_in, problem_in
from tests.web.api.test_facts import report

_CONDITIONS = {"If-Match": "*", "If-None-Match": "*", "If-Unmodified-Since": "Wed, 01 Jan 2020 00:00:00 GMT"}


class AnyId(dict[str, str]):
    """Fills in the parameters of any path."""

    def __missing__(self, name: str) -> str:
        return "7" if "number" in name else "bnc-1" if "bouncer" in name else "01980000-0000-7000-8000-00000000a001"


@dataclass(frozen=True)
class Described:
    """A call, as the description of the API has it."""

    method: str
    path: str
    headers: frozenset[str]
    query: frozenset[str]


def described(service: Running) -> Iterator[Described]:
    for path, calls in service.call(None, "GET", "openapi.json").json()["paths"].items():
        for method, call in calls.items():
            if path.startswith("/api/v1/"):
                names = {
                    kind: frozenset(it["name"] for it in call.get("parameters", ()) if it["in"] == kind)
                    for kind in ("header", "query")
                }
                at = path.removeprefix("/api/v1/").format_map(AnyId())
                yield Described(method.upper(), at, names["header"], names["query"])


def asked(service: Running, call: Described, query: str = "", **headers: str) -> list[Response]:
    """Return the responses to whoever may make the call: a service with one scope or the other, or a person."""
    path = call.path + query
    by_token = [service.call(it, call.method, path, headers=headers) for it in (Scope.ADMIN, Scope.REPORT)]
    cookies, csrf = service.log_in()
    service.client.cookies.update(cookies)
    by_person = service.call(None, call.method, path, headers={**headers, "X-CSRF-Token": csrf})
    service.client.cookies.clear()
    admitted = [it for it in (*by_token, by_person) if it.status_code != 403]
    assert admitted, call
    return admitted


def test_a_condition_that_a_call_does_not_check_is_refused_on_every_route_that_changes_something(
    shared: Running,
) -> None:
    """A condition is meant to prevent a change, so it is never ignored: whoever sent it would believe that it held."""
    walked = 0
    for call in described(shared):
        for name in _CONDITIONS.keys() - call.headers if call.method != "GET" else ():
            found = {code_in(it) for it in asked(shared, call, **{name: _CONDITIONS[name]})}
            assert found == {"precondition-unread"}, (call, name)
            walked += 1
    assert walked > 60


def test_a_parameter_that_a_call_does_not_have_or_has_twice_is_refused_on_every_route(shared: Running) -> None:
    """``?dryrun=true`` is meant to prevent a change, too."""
    walked = 0
    for call in described(shared):
        wrong = {"dryrun": "is not a parameter of this call", **dict.fromkeys(call.query, "appears more than once")}
        for name, problem in wrong.items():
            query = f"?{name}=true" if name == "dryrun" else f"?{name}=true&{name}=false"
            for response in asked(shared, call, query):
                expected = (422, "input-invalid", [{"field": name, "problem": problem}])
                document = problem_in(response)
                assert (response.status_code, code_in(response), document["errors"]) == expected, (call, name)
            walked += 1
    assert walked > 60


def test_a_mistyped_parameter_changes_nothing_and_is_only_shown_if_it_looks_like_one(shared: Running) -> None:
    one = {"bouncers": [{"bouncer_id": "unread", "environment": "production", "pair_id": "p"}]}
    assert shared.call(Scope.REPORT, "PUT", "bouncers", json=one).is_success
    for query in ("dryrun=true", "dry_run=true&dryrun=true", "=true", "zX9-canary.Zx9=1", "DRY_RUN=true"):
        refused = shared.call(Scope.REPORT, "PUT", f"bouncers?{query}", json={"bouncers": []})
        named = "dryrun" if "dryrun" in query else "(unnamed)"
        problem = {"field": named, "problem": "is not a parameter of this call"}
        assert (refused.status_code, problem_in(refused)["errors"]) == (422, [problem])
        assert "canary" not in refused.text
    assert shared.call(Scope.READ, "GET", "bouncers/unread").is_success


def test_who_may_not_call_learns_nothing_about_its_parameters(shared: Running) -> None:
    for scope, status in ((None, 401), (Scope.METRICS, 403)):
        assert shared.call(scope, "PUT", "bouncers?dryrun=true", json={"bouncers": []}).status_code == status


def test_probes_monitoring_and_pages_take_parameters_of_others(shared: Running) -> None:
    for path in ("/healthz?check=7", "/readyz?check=7", "/api/v1/openapi.json?check=7", "/login?utm_source=mail"):
        assert shared.call(None, "GET", path).status_code == 200, path
    assert shared.call(Scope.METRICS, "GET", "/metrics?check=7").status_code == 200


def test_if_match_is_refused_where_nothing_has_an_etag(shared: Running) -> None:
    for method, path, body in (
        ("POST", "usage", {"json": {"reports": [report()]}}),
        ("POST", "extension-codes", {"json": {"code_id": "EXT-1", "redeemed_at": "2026-11-01T00:00:00Z"}}),
    ):
        refused = shared.call(Scope.REPORT, method, path, headers={"If-Match": "*"}, **body)
        assert (refused.status_code, code_in(refused)) == (412, "precondition-unread"), path
    assert shared.call(Scope.READ, "GET", "telemetry/health", headers={"If-Match": "*"}).status_code == 200

"""Every field wrong in every way is refused by name, and nothing that was sent comes back."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from httpx import Response

from telemetry_service.identity.scopes import Scope
from tests.support.each import each
from tests.support.running import Running, code_in, fields_in, problem_in

CANARY = "zX9-canary.Zx9"
MOMENT = "2026-11-01T00:00:00Z"


@dataclass(frozen=True)
class Call:
    """A call that takes a body, with a valid one."""

    method: str
    path: str
    scope: Scope
    body: dict[str, Any]
    optional: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    """What keeps its value where it is left out, and is never null."""


CALLS = {
    "bouncer": Call("PUT", "bouncers/b", Scope.REPORT, {"environment": "sandbox", "pair_id": "p"}),
    "license": Call(
        "PUT",
        "license",
        Scope.REPORT,
        {
            "customer_id": "cus_Nq4Rz7WkX2",
            "tier": "trial",
            "license_status": "trial",
            "expires_at": MOMENT,
            "token_issued_at": MOMENT,
            "token_expires_at": MOMENT,
            "token_refreshed_at": MOMENT,
        },
        frozenset({"customer_id", "expires_at", "token_issued_at", "token_expires_at", "token_refreshed_at"}),
        frozenset({"tier", "license_status"}),
    ),
    "extension code": Call("POST", "extension-codes", Scope.REPORT, {"code_id": "EXT-1", "redeemed_at": MOMENT}),
    "configuration": Call(
        "PUT",
        "telemetry/config",
        Scope.ADMIN,
        {
            "enabled": True,
            "frequency": "daily",
            "encrypt_payload": True,
            "anonymize_pii": True,
            "retention_days": 30,
        },
    ),
    "API key": Call("PUT", "telemetry/config/api-key", Scope.ADMIN, {"api_key": "ck_bad_input_0123456789"}),
    "key to test": Call("POST", "telemetry/test-connection", Scope.ADMIN, {"api_key": "ck_bad_input_0123456789"}),
    "usage": Call(
        "POST",
        "usage",
        Scope.REPORT,
        {
            "report_id": "0192d5a8-0000-7000-8000-000000000000",
            "bouncer_id": "b",
            "environment": "sandbox",
            "audit_events": 1,
            "policy_decisions": 1,
            "successful_decisions": 1,
        },
    ),
}
FIELDS = [(name, field) for name, call in CALLS.items() for field in call.body]
NOT_NULL = [(name, field) for name, field in FIELDS if field not in CALLS[name].optional]
REQUIRED = [(name, field) for name, field in NOT_NULL if field not in CALLS[name].kept]

WRONG_VALUES: dict[str, str] = {
    "another string": f'"{CANARY}!"',
    "a number": "17",
    "a negative number": "-1",
    "a fraction": "30.5",
    "a whole number with a fraction": "30.0",
    "an exponent": "3e1",
    "2^53": str(2**53),
    "a number of 5,000 digits": "9" * 5_000,
    "not a number": "NaN",
    "infinity": "-Infinity",
    "an infinite exponent": "1e999",
    "an array": f'["{CANARY}"]',
    "an object": f'{{"{CANARY}": 1}}',
    "a NUL": '"a\\u0000b"',
    "unpaired surrogate": '"\\ud800"',
    "a line end at the end": '"b\\n"',
    "an empty string": '""',
    "a long string": '"' + "k" * 5_000 + '"',
    "a number in a string": '"1"',
    "a truth in a string": '"true"',
    "deep nesting": "[" * 500 + "]" * 500,
}
VALID = {
    *((field, "a number in a string") for field in ("bouncer_id", "pair_id")),
    *((field, "a truth in a string") for field in ("bouncer_id", "pair_id", "code_id")),
    *((field, "a number") for field in ("audit_events", "policy_decisions")),
    # The name of a tier or a status that a newer Control Plane may know.
    *(
        (field, wrong)
        for field in ("tier", "license_status")
        for wrong in ("a number in a string", "a truth in a string")
    ),
}
"""What is wrong for every other field and right for these."""

WRONG = [(name, field, wrong) for name, field in FIELDS for wrong in WRONG_VALUES if (field, wrong) not in VALID]


def _raw(name: str, members: list[tuple[str, str]]) -> bytes:
    body = "{" + ",".join(f"{json.dumps(field)}:{value}" for field, value in members) + "}"
    return (f'{{"reports":[{body}]}}' if name == "usage" else body).encode()


def _members(name: str) -> list[tuple[str, str]]:
    return [(field, json.dumps(value)) for field, value in CALLS[name].body.items()]


def _seen(path: str) -> dict[str, str]:
    """Return what only a save of the settings needs. Most calls refuse it."""
    return {"If-Match": '"1"'} if path.endswith("/config") else {}


def _send(service: Running, name: str, raw: bytes) -> Any:  # noqa: ANN401 - httpx's response
    call = CALLS[name]
    headers = {"Content-Type": "application/json"} | _seen(call.path)
    response = service.call(call.scope, call.method, call.path, content=raw, headers=headers)
    assert CANARY not in response.text
    assert response.status_code < 500
    return response


def _place(name: str, field: str) -> str:
    return f"reports[0].{field}" if name == "usage" else field


def _said(response: Response) -> list[dict[str, str]]:
    """Return each field and its problem; of a usage report, without its index and ID."""
    return [{name: one[name] for name in ("field", "problem")} for one in problem_in(response)["errors"]]


@each(("name", "field", "wrong"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(shared: Running, name: str, field: str, wrong: str) -> None:
    raw = _raw(name, [(one, WRONG_VALUES[wrong] if one == field else value) for one, value in _members(name)])
    response = _send(shared, name, raw)
    assert response.status_code == 422
    assert any(one.startswith(_place(name, field)) for one in fields_in(response))


@each(("name", "field"), REQUIRED)
def test_a_required_field_that_is_missing_is_named(shared: Running, name: str, field: str) -> None:
    response = _send(shared, name, _raw(name, [one for one in _members(name) if one[0] != field]))
    # The connection can be tested with the stored key, so a test without a key is no mistake.
    if name == "key to test":
        assert code_in(response) == "not-configured"
        return
    assert response.status_code == 422
    assert {"field": _place(name, field), "problem": "is missing"} in _said(response)


@each(("name", "field"), NOT_NULL)
def test_a_required_field_that_is_null_is_named(shared: Running, name: str, field: str) -> None:
    raw = _raw(name, [(one, "null" if one == field else value) for one, value in _members(name)])
    response = _send(shared, name, raw)
    assert response.status_code == 422
    assert fields_in(response) == [_place(name, field)]


@each(("name", "field"), FIELDS)
def test_a_field_that_is_there_twice_is_named(shared: Running, name: str, field: str) -> None:
    members = _members(name)
    value = dict(members)[field]
    response = _send(shared, name, _raw(name, [*members, (field, value)]))
    assert response.status_code == 422
    assert _said(response) == [{"field": _place(name, field), "problem": "appears more than once"}]


@each("name", CALLS)
def test_a_field_that_is_not_on_the_list_is_named(shared: Running, name: str) -> None:
    response = _send(shared, name, _raw(name, [*_members(name), ("policy_name", "1")]))
    assert response.status_code == 422
    expected = {"field": _place(name, "policy_name"), "problem": "is not a field of this request"}
    assert _said(response) == [expected]


@each("name", CALLS)
def test_a_secret_in_the_place_of_a_name_does_not_come_back(shared: Running, name: str) -> None:
    for member in ((CANARY, "1"), (CANARY, "NaN"), (CANARY, '"\\ud800"'), (f"{CANARY}\ud800", "1")):
        assert _send(shared, name, _raw(name, [*_members(name), member])).status_code == 422


@each("name", CALLS)
@each(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"zX9-canary.Zx9"',
        b"17",
        b"NaN",
        b"{",
        b"{}}",
        b"{'a': 1}",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\x00",
        b"{" * 50,
        b'{"a":' * 10_000,
        b"[" * 60_000,
        b"[" * 20_000 + b"]" * 20_000,
    ],
)
def test_a_body_that_is_no_object_of_this_call_is_refused(shared: Running, name: str, raw: bytes) -> None:
    response = _send(shared, name, raw)
    if name == "key to test" and not raw:
        return
    assert response.status_code in {400, 422}
    assert problem_in(response)["errors"]


@pytest.mark.parametrize("name", CALLS)
def test_a_body_of_ten_megabytes_is_refused(shared: Running, name: str) -> None:
    response = _send(shared, name, b'{"' + b"a" * 10_000_000 + b'": 1}')
    assert (response.status_code, code_in(response)) == (413, "body-too-large")


@pytest.mark.parametrize("name", CALLS)
def test_a_body_that_does_not_say_how_long_it_is_is_refused_once_it_is_too_long(shared: Running, name: str) -> None:
    call = CALLS[name]
    chunks = (b" " * 100_000 for _ in range(100))
    headers = {"Content-Type": "application/json"} | _seen(call.path)
    response = shared.call(call.scope, call.method, call.path, content=chunks, headers=headers)
    assert (response.status_code, code_in(response)) == (413, "body-too-large")


@each("name", CALLS)
@each(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(shared: Running, name: str, headers: dict[str, str]) -> None:
    call = CALLS[name]
    raw = _raw(name, _members(name))
    response = shared.call(call.scope, call.method, call.path, content=raw, headers=headers | _seen(call.path))
    assert (response.status_code, code_in(response)) == (415, "media-type-refused")


def test_json_may_say_that_it_is_utf8(shared: Running) -> None:
    raw = _raw("bouncer", _members("bouncer"))
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    assert shared.call(Scope.REPORT, "PUT", "bouncers/b", content=raw, headers=headers).is_success


@each("bouncer_id", ["a" * 65, "%20", "a%00b", "%C3%A9", "a,b", "a%0A", "zX9-canary.Zx9!"])
def test_a_malformed_bouncer_id_is_refused_by_name(shared: Running, bouncer_id: str) -> None:
    body = {"environment": "sandbox", "pair_id": "p"}
    response = shared.call(Scope.REPORT, "PUT", f"bouncers/{bouncer_id}", json=body)
    assert response.status_code == 422
    assert fields_in(response) == ["bouncer_id"]
    assert CANARY not in response.text


@each(
    "moment",
    [
        "2026-11-01T00:00:00",
        "2026-11-01",
        "2026-11-01 00:00:00Z",
        "1700000000",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2026-11-01T00:00:00+99:00",
        "2026-11-01T25:00:00Z",
    ],
)
def test_a_moment_without_a_zone_or_outside_the_calendar_is_refused(shared: Running, moment: str) -> None:
    body = {"code_id": "EXT-1", "redeemed_at": moment}
    response = shared.call(Scope.REPORT, "POST", "extension-codes", json=body)
    assert response.status_code == 422
    assert fields_in(response) == ["redeemed_at"]


def test_of_thousands_of_faults_the_first_are_shown(shared: Running) -> None:
    response = shared.call(Scope.REPORT, "POST", "usage", json={"reports": [{}] * 10_000})
    assert response.status_code == 422
    assert {one["index"] for one in problem_in(response)["errors"]} == set(range(100))

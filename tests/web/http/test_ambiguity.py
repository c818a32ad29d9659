"""What could be understood in two ways is refused, and what is said in the wrong place is not ignored."""

import socket

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.each import each
from tests.support.running import Running, code_in, fields_in

SEND = "/api/v1/telemetry/send-now"
BODILESS = [
    ("POST", SEND),
    ("POST", "/api/v1/telemetry/history/retry-failed"),
    ("POST", "/api/v1/telemetry/history/01980000-0000-7000-8000-000000000001/retry"),
    ("POST", "/api/v1/telemetry/config/api-key/reveal"),
    ("DELETE", "/api/v1/telemetry/config/api-key"),
    ("DELETE", "/api/v1/bouncers/nobody"),
]


def _call(service: Running, method: str, path: str, **request: object) -> httpx.Response:
    scope = Scope.REPORT if "bouncers" in path else Scope.ADMIN
    return service.call(scope, method, path, **request)


@each(("method", "path"), BODILESS)
def test_a_call_without_a_body_refuses_one_that_says_something(shared: Running, method: str, path: str) -> None:
    without = _call(shared, method, path)
    assert without.status_code in {200, 204, 404, 409}
    for nothing in (b"", b"{}", b" { } ", b"\n{}\n"):
        response = _call(shared, method, path, content=nothing, headers={"Content-Type": "application/json"})
        assert response.status_code == without.status_code, nothing
    response = _call(shared, method, path, json={"force": True})
    assert (response.status_code, code_in(response), fields_in(response)) == (422, "input-invalid", ["force"])
    for wrong, status in ((b"[]", 422), (b"null", 422), (b"now", 400), (b'{"a":1,"a":1}', 422), (b"\xff", 400)):
        response = _call(shared, method, path, content=wrong, headers={"Content-Type": "application/json"})
        assert response.status_code == status, wrong
    response = _call(shared, method, path, content=b"now=true", headers={"Content-Type": "text/plain"})
    assert (response.status_code, code_in(response)) == (415, "media-type-refused")


def test_a_form_of_a_session_is_not_a_body_of_the_api_and_not_our_bug(shared: Running) -> None:
    cookies, proof = shared.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    for path in (SEND, "/api/v1/telemetry/test-connection", "/api/v1/telemetry/config/api-key/reveal"):
        response = shared.client.post(path, data={"csrf_token": proof}, headers=headers)
        assert (response.status_code, code_in(response)) == (415, "media-type-refused")


REPEATED = ["Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key", "Origin", "Sec-Fetch-Site"]


@each("name", [*REPEATED, "X-CSRF-Token"])
@each("values", [("one", "two"), ("same", "same")])
def test_a_header_that_says_one_thing_is_refused_when_it_is_there_twice(
    shared: Running, name: str, values: tuple[str, str]
) -> None:
    authorization = [("Authorization", f"Bearer {shared.tokens[Scope.ADMIN]}")] if name != "Authorization" else []
    headers = [*authorization, *((name, value) for value in values)]
    response = shared.client.request("POST", SEND, headers=headers)
    assert (response.status_code, code_in(response), fields_in(response)) == (400, "request-malformed", [name])
    assert "two" not in response.text


def _raw(service: Running, request: bytes) -> bytes:
    url = service.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
        connection.sendall(request)
        response = b""
        while piece := connection.recv(65_536):
            response += piece
    return response


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_body_whose_end_is_said_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    shared: Running, request_: bytes
) -> None:
    response = _raw(shared, request_ + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in response.lower()
    assert b"request-malformed" in response
    assert response.count(b"HTTP/1.1 ") == 1


@each("many", [b"1,", b"[],", b"{},", b'"",', b'{"a":1},'])
def test_a_body_of_more_values_than_any_has_is_not_explained_value_by_value(shared: Running, many: bytes) -> None:
    body = b'{"reports":[' + many * 100_001 + b"1]}"
    response = shared.send_raw(Scope.REPORT, "POST", "usage", body)
    assert (response.status_code, code_in(response), fields_in(response)) == (422, "input-invalid", ["body"])

"""Whatever is sent, the response is never a 5xx, and a refusal is a problem document."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry_service.identity.scopes import Scope
from tests.support.running import Running, problem_in
from tests.web.api.test_bad_input import CALLS

_READ, _ADMIN = Scope.READ, Scope.ADMIN

names = st.sampled_from([*{field for call in CALLS.values() for field in call.body}, "reports"]) | st.text(max_size=8)
strings = st.sampled_from(["sandbox", "trial", "daily", "2026-11-01T00:00:00Z"]) | st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Return a body: near to a valid one, any JSON, or any bytes at all."""
    kind = draw(st.sampled_from(["changed", "json", "cut", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    if kind == "json":
        return json.dumps(draw(values), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    members = dict(draw(st.sampled_from(list(CALLS.values()))).body)
    members |= draw(st.dictionaries(names, values, max_size=2))
    body = {"reports": [members]} if draw(st.booleans()) else members
    raw = json.dumps(body).encode("utf-8", "surrogatepass")
    return raw[: draw(st.integers(0, len(raw)))] if kind == "cut" else raw


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(raw=bodies())
@pytest.mark.parametrize("name", CALLS)
def test_no_body_brings_the_service_down(shared: Running, name: str, raw: bytes) -> None:
    call = CALLS[name]
    _check(shared.send_raw(call.scope, call.method, call.path, raw))


queries = st.lists(
    st.tuples(
        st.sampled_from(["status", "trigger", "from", "to", "cursor", "limit", "format"]) | st.text(max_size=5),
        st.sampled_from(["failed", "0", "-1", "1e9", "before-1", "9999-12-31", "2026-02-30", "csv"])
        | st.text(max_size=9),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(query=queries)
@pytest.mark.parametrize("path", ["telemetry/history", "telemetry/history/export", "telemetry/preview"])
def test_no_query_brings_the_service_down(shared: Running, path: str, query: list[tuple[str, str]]) -> None:
    clean = [(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in query]
    _check(shared.call(_READ, "GET", path, params=httpx.QueryParams(_decoded(clean))))


def _decoded(query: list[tuple[bytes, bytes]]) -> list[tuple[str, str | int | float | bool | None]]:
    return [(name.decode(), value.decode()) for name, value in query]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    header=st.sampled_from(
        ["Authorization", "Cookie", "If-Match", "Idempotency-Key", "Content-Type", "Origin", "Host"]
    ),
    value=st.binary(max_size=40),
)
def test_no_header_brings_the_service_down(shared: Running, header: str, value: bytes) -> None:
    printable = bytes(byte for byte in value if byte >= 0x20 and byte != 0x7F).strip()
    for method, path in (
        ("PUT", "/api/v1/telemetry/config"),
        ("POST", "/api/v1/telemetry/send-now"),
        ("GET", "/login"),
    ):
        authorization = (b"Authorization", f"Bearer {shared.tokens[_ADMIN]}".encode())
        sent = [(header.encode(), printable)] + ([authorization] if header != "Authorization" else [])
        _check(shared.client.request(method, path, headers=sent, content=b"{}"))


def _check(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400 and "json" in response.headers.get("content-type", ""):
        problem_in(response)

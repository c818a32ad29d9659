"""The headers of every response."""

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.web.security.response_headers import CONTENT_SECURITY_POLICY, security_headers
from tests.support.each import each
from tests.support.running import Running

ANCESTORS = "https://a.example https://b.example"
RESPONSES = [
    (None, "GET", "/healthz"),
    (None, "GET", "/login"),
    (None, "GET", "/nothing"),
    (None, "GET", "/api/v1/license"),
    (Scope.READ, "GET", "/api/v1/license"),
    (Scope.READ, "GET", "/api/v1/telemetry/history/export?format=csv"),
    (Scope.READ, "PATCH", "/api/v1/license"),
    (Scope.REPORT, "POST", "/api/v1/usage"),
]


@each(("scope", "method", "path"), RESPONSES)
def test_every_response_has_the_headers(shared: Running, scope: Scope | None, method: str, path: str) -> None:
    headers = shared.call(scope, method, path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "strict-transport-security" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_a_page_may_load_nothing_from_elsewhere_and_nothing_inline() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_only_pages_of_the_frame_may_be_framed_and_only_by_whom_the_deployment_names(
    shared: Running, sqlite_url: str
) -> None:
    policy = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    named = {"TELEMETRY_FRAME_ANCESTORS": "https://a.example,https://b.example"}
    with Running(sqlite_url, named) as other:
        for service, allowed, older in ((shared, policy, "SAMEORIGIN"), (other, f"{policy} {ANCESTORS}", None)):
            for path in ("/embedded", "/embedded/history", "/embedded/nothing"):
                headers = service.client.get(path).headers
                assert (headers["content-security-policy"], headers.get("x-frame-options")) == (allowed, older)
            for path in ("/login", "/settings/general/telemetry", "/healthz", "/embeddedly"):
                headers = service.client.get(path).headers
                assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
                assert headers["x-frame-options"] == "DENY"
        assert shared.client.get("/static/embed.js").headers["cross-origin-resource-policy"] == "same-origin"
        assert other.client.get("/static/embed.js").headers["cross-origin-resource-policy"] == "cross-origin"


def test_nothing_but_the_tab_has_a_second_address(shared: Running) -> None:
    for path in ("metrics", "healthz", "login", "api/v1/license", "api/v1/openapi.json", "static/tab.css"):
        assert shared.client.get(f"/embedded/{path}").status_code in {401, 404}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_over_tls_the_browser_is_kept_there() -> None:
    sent: list[dict[str, object]] = []

    async def app(_scope: object, _receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await security_headers(app)({"type": "http", "scheme": "https"}, None, send)  # type: ignore[arg-type]
    headers = sent[0]["headers"]
    assert isinstance(headers, list)
    assert (b"strict-transport-security", b"max-age=31536000") in headers

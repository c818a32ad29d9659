"""A request target in absolute form is served as the path in it (RFC 9112, section 3.2.2)."""

import json

from fastapi import FastAPI, Request

from tests.support.each import each
from tests.support.raw_http import response_to, served
from tests.support.running import Running


def ask(service: Running, target: str, host: str = "Host: a", version: str = "1.1") -> bytes:
    lines = (f"GET {target} HTTP/{version}", host, "Connection: close", "", "")
    return response_to(service.client.base_url.port or 0, "\r\n".join(lines).encode())


@each(
    ("target", "host"),
    [
        ("http://a/healthz", "a"),
        ("HTTP://A/healthz", "a"),
        ("https://a/healthz", "a"),
        ("http://a:80/healthz", "a"),
        ("http://a/healthz", "a:80"),
        ("http://a:8080/healthz?x=http://b/", "a:8080"),
        ("http://[::1]:8080/healthz", "[::1]:8080"),
    ],
)
def test_it_is_served(shared: Running, target: str, host: str) -> None:
    assert b'"status":"alive"' in ask(shared, target, f"Host: {host}")


def test_without_a_path_it_is_the_root(shared: Running) -> None:
    assert b"\r\nlocation: /settings/general/telemetry\r\n" in ask(shared, "http://a").lower()


def test_its_host_is_the_targets() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/a b")
    async def seen(request: Request) -> dict[str, str]:
        return {"host": request.headers["host"], "path": request.url.path, "query": request.url.query}

    with served(app, 9) as port:
        response = response_to(port, b"GET http://A.example:80/a%20b?c=d HTTP/1.0\r\n\r\n")
    found = json.loads(response.partition(b"\r\n\r\n")[2])
    assert found == {"host": "A.example:80", "path": "/a b", "query": "c=d"}


@each(
    ("target", "host", "field"),
    [
        ("http://b/healthz", "a", "Host"),
        ("http://a:81/healthz", "a", "Host"),
        ("https://a:80/healthz", "a", "Host"),
        ("http://a/healthz", "", "Host"),
        ("http://user@a/healthz", "a", "request-target"),
        ("http:///healthz", "a", "request-target"),
        ("ftp://a/healthz", "a", "request-target"),
        ("file:///etc/passwd", "a", "request-target"),
    ],
)
def test_what_is_ambiguous_or_not_http_is_refused(shared: Running, target: str, host: str, field: str) -> None:
    response = ask(shared, target, f"Host: {host}")
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"x-content-type-options: nosniff" in response.lower()
    document = json.loads(response.partition(b"\r\n\r\n")[2])
    assert document["type"].endswith(":request-malformed")
    assert [error["field"] for error in document["errors"]] == [field]

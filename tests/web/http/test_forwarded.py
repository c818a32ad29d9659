"""Of a request that a reverse proxy hands on, what a trusted one says is believed, and nothing of anybody else."""

import json
import logging

import pytest
from fastapi import FastAPI, Request

from telemetry_service.domain.addresses import caller_group
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.web.http.addresses import TrustedProxies, canonical
from tests.support.log_lines import lines_of
from tests.support.raw_http import asking, response_to, served

EDGE, INNER = "10.0.0.7", "127.0.0.1"
BOTH = (INNER, "10.0.0.0/8", "fd00::/8")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/seen")
    async def seen(request: Request) -> dict[str, str]:
        return {"client": request.client.host if request.client else "", "scheme": request.url.scheme}

    return app


def seen(app: FastAPI, proxies: tuple[str, ...], *headers: str) -> tuple[str, str]:
    with served(app, 9, proxies=proxies) as port:
        response = response_to(port, asking("/seen", *headers))
    found = json.loads(response.partition(b"\r\n\r\n")[2])
    return found["scheme"], found["client"]


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        (["X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: HTTPS"], "https"),
        (["X-Forwarded-Proto: https, http"], "https"),
        (["X-Forwarded-Proto: https,http,http"], "https"),
        (["X-Forwarded-Proto: http, https"], "https"),
        (["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], "https"),
        (["X-Forwarded-Proto: http"], "http"),
        (["X-Forwarded-Proto: http, http"], "http"),
        (["X-Forwarded-Proto: javascript"], "http"),
        (["X-Forwarded-Proto: "], "http"),
        ([], "http"),
    ],
)
def test_one_hop_of_tls_is_enough_for_the_cookie_to_be_secure(app: FastAPI, headers: list[str], scheme: str) -> None:
    assert seen(app, (INNER,), *headers)[0] == scheme
    assert seen(app, (), *headers)[0] == "http"


@pytest.mark.parametrize(
    ("proxies", "headers", "client"),
    [
        ((INNER,), ["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        ((INNER,), ["X-Forwarded-For: 1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ((INNER,), [f"X-Forwarded-For: 203.0.113.9, {EDGE}"], EDGE),
        (BOTH, [f"X-Forwarded-For: 203.0.113.9, {EDGE}"], "203.0.113.9"),
        (BOTH, [f"X-Forwarded-For: 1.2.3.4, 203.0.113.9, {EDGE}"], "203.0.113.9"),
        (BOTH, ["X-Forwarded-For: 1.2.3.4", f"X-Forwarded-For: 203.0.113.9, {EDGE}"], "203.0.113.9"),
        (BOTH, ["X-Forwarded-For: 203.0.113.9:4711, [fd00::7]:80"], "203.0.113.9"),
        (BOTH, ["X-Forwarded-For: 2001:db8::1, fd00::7"], "2001:db8::1"),
        (BOTH, ["X-Forwarded-For: [2001:db8::1]:4711"], "2001:db8::1"),
        (BOTH, [f"X-Forwarded-For: ::ffff:203.0.113.9, ::ffff:{EDGE}"], "203.0.113.9"),
        (BOTH, [f"X-Forwarded-For: unknown, {EDGE}"], EDGE),
        (BOTH, ["X-Forwarded-For: 1.2.3.4, <script>"], INNER),
        (BOTH, [f"X-Forwarded-For: {EDGE}"], EDGE),
        (BOTH, ["X-Forwarded-For: "], INNER),
        ((), ["X-Forwarded-For: 203.0.113.9"], INNER),
        ((EDGE,), ["X-Forwarded-For: 203.0.113.9"], INNER),
    ],
)
def test_the_caller_is_the_first_address_from_the_end_that_is_no_trusted_proxy(
    app: FastAPI, proxies: tuple[str, ...], headers: list[str], client: str
) -> None:
    assert seen(app, proxies, *headers)[1] == client


def test_forwarded_headers_of_somebody_untrusted_are_logged(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), served(app, 9) as port:
        response_to(port, asking("/seen"))
        assert not caplog.records
        response_to(port, asking("/seen", "X-Forwarded-Proto: https"))
    (record,) = caplog.records
    assert record.getMessage() == Event.FORWARDED_NOT_TRUSTED
    assert vars(record)["telemetry_fields"] == {"address": INNER}
    limit = EVENTS[Event.FORWARDED_NOT_TRUSTED].limit
    assert limit is not None
    assert limit.each == 1


def test_what_is_refused_before_any_route_is_refused_to_the_caller_under_its_id(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    request = asking("ftp://a/seen", "X-Forwarded-For: 203.0.113.9", "X-Request-Id: of-the-proxy")
    with caplog.at_level(logging.WARNING), served(app, 9, proxies=(INNER,)) as port:
        response = response_to(port, request)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: of-the-proxy\r\n" in response.lower()
    assert b'"request_id":"of-the-proxy"' in response
    [line] = lines_of(caplog, Event.REQUEST_REFUSED)
    assert (line["address"], line["request_id"]) == ("203.0.113.9", "of-the-proxy")


def test_an_address_is_one_however_it_is_written() -> None:
    assert canonical("::ffff:10.0.0.7") == canonical("10.0.0.7:80") == "10.0.0.7"
    assert canonical("2001:DB8:0::1") == canonical("[2001:db8::1]:80") == canonical("2001:db8::1%eth0") == "2001:db8::1"
    assert "::ffff:10.9.9.9" in TrustedProxies(["10.0.0.0/8"])
    assert "10.9.9.9" not in TrustedProxies(["::/0"])
    assert "nobody" not in TrustedProxies(["0.0.0.0/0", "::/0"])
    assert caller_group("2001:db8::1") == caller_group("2001:db8::ffff") != caller_group("2001:db8:0:1::1")
    assert caller_group("10.0.0.1") != caller_group("10.0.0.2")

"""A stranger who comes back from the provider without end keeps no one from it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from telemetry_service.identity.back_channel import EVENT
from telemetry_service.web.errors.request_errors import IssuersBusyError
from telemetry_service.web.tab import paths
from tests.support.databases import RunDatabases
from tests.support.hostile_issuer import HostileIssuer
from tests.support.running import Running

PUBLIC_URL, HOST = "https://telemetry.example", "telemetry.example"
SESSION = "__Host-telemetry_session"
STRANGER, PERSON, PROVIDER = "203.0.113.66", "192.0.2.7", "198.51.100.4"
ASKED, OF_ONE = 30, 2


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[HostileIssuer]:
    with HostileIssuer(tmp_path) as running:
        yield running


@pytest.fixture
def service(run_databases: RunDatabases, tmp_path: Path, issuer: HostileIssuer) -> Iterator[Running]:
    environment = issuer.environment | {"TELEMETRY_PUBLIC_URL": PUBLIC_URL}
    with Running(run_databases.sqlite(tmp_path), environment, proxies=("127.0.0.1",)) as running:
        yield running


def _headers(address: str, cookie: str | None = None) -> dict[str, str]:
    forwarded = {"Host": HOST, "X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    return forwarded | ({"Cookie": cookie} if cookie else {})


def _leave(service: Running, address: str) -> tuple[str, dict[str, str]]:
    """Return the cookie of a login that was begun, and what the provider was asked."""
    left = service.client.get(paths.PROVIDER_LOGIN, headers=_headers(address))
    assert left.status_code == 303, left.text[-300:]
    service.client.cookies.clear()
    asked = parse_qs(urlsplit(left.headers["location"]).query)
    (cookie,) = left.cookies.items()
    return "=".join(cookie), {name: values[0] for name, values in asked.items()}


def _return(service: Running, address: str, begun: tuple[str, dict[str, str]], code: str) -> httpx.Response:
    cookie, asked = begun
    returned = {"code": code, "state": asked["state"]}
    return service.client.get(paths.PROVIDER_RETURN, params=returned, headers=_headers(address, cookie))


@contextmanager
def _hanging(service: Running, issuer: HostileIssuer) -> Iterator[list[Future[httpx.Response]]]:
    """Let a stranger come back many times at once, while the provider hangs over the stranger's codes."""
    goes_on = threading.Event()

    def hang() -> str:
        goes_on.wait(60)
        return ""

    begun = [_leave(service, STRANGER) for _ in range(ASKED)]
    issuer.id_token = hang
    with ThreadPoolExecutor(ASKED) as callers:
        asked = [callers.submit(_return, service, STRANGER, one, "junk") for one in begun]
        until = time.monotonic() + 60
        while len(issuer.forms) < OF_ONE or sum(one.done() for one in asked) < ASKED - OF_ONE:
            assert time.monotonic() < until
            time.sleep(0.01)
        try:
            yield asked
        finally:
            goes_on.set()


def test_a_stranger_has_two_places_and_keeps_no_one_from_logging_in_or_out(
    service: Running, issuer: HostileIssuer
) -> None:
    with _hanging(service, issuer) as asked:
        person = _leave(service, PERSON)
        claims = issuer.claims(int(service.clock.now().timestamp()), nonce=person[1]["nonce"])
        issuer.id_token = lambda: issuer.sign(claims)
        session = _return(service, PERSON, person, "c").cookies[SESSION]
        service.client.cookies.clear()
        service.clock.advance(timedelta(minutes=11))  # The keys must be read again.
        told = {"iat": int(service.clock.now().timestamp()), "exp": claims["exp"] + 900, "events": {EVENT: {}}}
        token = issuer.sign(issuer.claims(told["iat"], jti="j", **told))
        logout = service.client.post(paths.PROVIDER_LOGOUT, data={"logout_token": token}, headers=_headers(PROVIDER))
        assert logout.status_code == 200
        tab = service.client.get(paths.TAB, headers=_headers(PERSON, f"{SESSION}={session}"))
        assert tab.status_code == 303, "the session has ended"
    assert sum(IssuersBusyError.sentence in one.result().text for one in asked) > ASKED / 2

"""A stranger who comes back from the provider without end keeps no one from it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from telemetry_service.identity.back_channel import EVENT
from telemetry_service.identity.kept import FIRST_PAUSE
from telemetry_service.web.errors.request_errors import IssuersBusyError
from telemetry_service.web.http.failed_lately import FailedLately
from telemetry_service.web.tab import paths
from tests.support.databases import RunDatabases
from tests.support.hostile_issuer import Form, HostileIssuer
from tests.support.running import PASSWORD, Running

T = TypeVar("T")

LOCAL = {"name": "admin", "password": PASSWORD}
PUBLIC_URL, HOST = "https://telemetry.example", "telemetry.example"
SESSION = "__Host-telemetry_session"
STRANGER, PERSON, PROVIDER = "203.0.113.66", "192.0.2.7", "198.51.100.4"
ASKED, OF_ONE, OF_NETWORK = 30, 2, 4
ADDRESSES = 10
CALLERS, LEAVING = 44, 40
GIVEN_UP = 5
"""Seconds. What waits for a provider that hangs, waits so long."""


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
    forwarded = {"Host": HOST, "X-Forwarded-For": address, "X-Forwarded-Proto": "https", "Sec-Fetch-Site": "none"}
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


class Crowd:
    """Strangers at many addresses, who come back from the provider with codes that they made up."""

    def __init__(self, service: Running, callers: ThreadPoolExecutor) -> None:
        self._service = service
        self._callers = callers
        self.come_from([f"203.0.113.{number}" for number in range(ADDRESSES)])

    def come_from(self, addresses: list[str]) -> None:
        """Let them have these addresses from now on."""
        self._addresses = addresses

    def come_back(self) -> list[Future[httpx.Response]]:
        """Let each address come back as often as it may."""
        begun = [(address, _leave(self._service, address)) for address in self._addresses * OF_ONE]
        return [self._callers.submit(_return, self._service, address, one, "junk") for address, one in begun]


@pytest.fixture
def crowd(service: Running) -> Iterator[Crowd]:
    with ThreadPoolExecutor(3 * ADDRESSES * OF_ONE) as callers:
        yield Crowd(service, callers)


@contextmanager
def _hung(issuer: HostileIssuer, *, over_junk_alone: bool = False) -> Iterator[None]:
    """Let the provider hang for the time of the block."""
    goes_on = threading.Event()

    def hang(_path: str, form: Form) -> None:
        if not over_junk_alone or form.get("code") == "junk":
            goes_on.wait(60)

    issuer.before = hang
    try:
        yield
    finally:
        issuer.before = lambda _path, _form: None
        goes_on.set()


def _log_in(service: Running, issuer: HostileIssuer, address: str) -> int:
    person = _leave(service, address)
    claims = issuer.claims(int(service.clock.now().timestamp()), nonce=person[1]["nonce"])
    issuer.id_token = lambda: issuer.sign(claims)
    return _return(service, address, person, "c").status_code


def _wait_until(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.01)


def _soon(asked: Callable[[], T]) -> T:
    """Return what a request gets that does not wait for the provider, be the machine as busy as it may."""
    begun = time.monotonic()
    got = asked()
    assert time.monotonic() - begun < GIVEN_UP
    return got


def test_a_provider_that_hangs_hurts_no_other_page_and_lets_people_in_as_soon_as_it_goes_on(
    service: Running, issuer: HostileIssuer, crowd: Crowd
) -> None:
    assert _log_in(service, issuer, PERSON) == 303
    service.client.cookies.clear()
    with _hung(issuer):
        strangers = crowd.come_back()
        _wait_until(lambda: len(issuer.forms) > OF_ONE)
        local = _soon(lambda: service.client.post("/login", data=LOCAL, headers=_headers(PERSON)))
        assert local.status_code == 303
        session = _headers(PERSON, f"{SESSION}={local.cookies[SESSION]}")
        service.client.cookies.clear()
        for path, headers in ((paths.TAB, session), ("/healthz", {})):
            assert _soon(partial(service.client.get, path, headers=headers)).status_code == 200
        service.clock.advance(timedelta(minutes=11))  # What is known of the provider is old.
        for _ in range(3):
            _soon(lambda: _leave(service, PERSON))
        assert _soon(lambda: service.client.get(paths.PROVIDER_ENDED, headers=_headers(PERSON))).status_code == 200
        assert sum(one.done() for one in strangers) < len(strangers)
    assert _soon(lambda: _log_in(service, issuer, PERSON)) == 303
    assert {one.result().status_code for one in strangers} <= {401, 503}


def test_m4_no_page_waits_for_the_addresses_of_a_provider_in_the_threads_of_all(
    service: Running, issuer: HostileIssuer
) -> None:
    led = [_headers(f"203.0.113.{number}") | {"Sec-Fetch-Site": "cross-site"} for number in range(CALLERS)]
    pages = [paths.PROVIDER_ENDED] * CALLERS + [paths.PROVIDER_LOGIN] * OF_NETWORK
    with _hung(issuer), ThreadPoolExecutor(len(pages)) as callers:
        asked = [
            callers.submit(service.client.get, page, headers=led[number % CALLERS]) for number, page in enumerate(pages)
        ]
        _soon(lambda: _wait_until(lambda: sum(one.done() for one in asked) >= len(pages) - LEAVING))
        assert _soon(lambda: service.client.get(paths.LOGIN, headers=_headers(PERSON))).status_code == 200
        assert sum(one.done() for one in asked) < len(pages)


def test_addresses_that_came_back_in_vain_wait_only_for_each_other(
    service: Running, issuer: HostileIssuer, crowd: Crowd
) -> None:
    assert _log_in(service, issuer, PERSON) == 303, "so the keys are known"
    assert {one.result().status_code for one in crowd.come_back()} == {401}
    asked = len(issuer.forms)
    with _hung(issuer, over_junk_alone=True):
        strangers = crowd.come_back()
        _wait_until(lambda: len(issuer.forms) > asked)
        for number in range(5):
            assert _soon(partial(_log_in, service, issuer, f"198.51.100.{number}")) == 303
        assert sum(one.done() for one in strangers) < len(strangers)
    wait(strangers)  # Until then, both places of each of these addresses may be taken.
    assert _log_in(service, issuer, "203.0.113.0") == 303, "a person at one of these addresses"


def test_a4_strangers_all_over_one_ipv6_network_wait_only_for_each_other(
    service: Running, issuer: HostileIssuer, crowd: Crowd
) -> None:
    assert _log_in(service, issuer, PERSON) == 303, "so the keys are known"
    crowd.come_from([f"2001:db8:1:{number:x}::1" for number in range(3 * ADDRESSES)])
    with _hung(issuer, over_junk_alone=True):
        strangers = crowd.come_back()
        _wait_until(lambda: sum(one.done() for one in strangers) >= len(strangers) - OF_NETWORK)
        assert _soon(lambda: _log_in(service, issuer, "198.51.100.4")) == 303
        assert not all(one.done() for one in strangers)
    wait(strangers)
    assert [one.result().status_code for one in strangers].count(401) == OF_NETWORK


def test_minor_6_people_come_in_as_soon_as_what_could_not_be_read_at_first_can_be_read(
    service: Running, issuer: HostileIssuer
) -> None:
    for path in ("/.well-known/openid-configuration", "/jwks"):
        issuer.answers[path] = (503, b"")
        for _ in range(2):
            assert _tried(service, issuer) == 503
        del issuer.answers[path]
        assert _tried(service, issuer) == 503, "it has just been asked"
        service.clock.advance(FIRST_PAUSE)
    assert _tried(service, issuer) == 303
    assert issuer.asked.count("/.well-known/openid-configuration") == issuer.asked.count("/jwks") == 2


def _tried(service: Running, issuer: HostileIssuer) -> int:
    left = service.client.get(paths.PROVIDER_LOGIN, headers=_headers(PERSON))
    service.client.cookies.clear()
    return left.status_code if left.status_code != 303 else _log_in(service, issuer, PERSON)


def test_the_addresses_that_failed_are_forgotten_and_bounded() -> None:
    failed, now = FailedLately(timedelta(minutes=10), most=2), datetime(2026, 3, 1, tzinfo=UTC)
    for address in "abc":
        failed.note(address, now, failed=True)
    assert [failed.has(address, now) for address in "abc"] == [False, True, True]
    failed.note("b", now, failed=False)
    assert [failed.has(address, now) for address in "abc"] == [False, False, True]
    for moved in (timedelta(minutes=10), -timedelta(minutes=10)):
        assert not failed.has("c", now + moved)

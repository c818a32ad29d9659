"""Strangers lock no one out (finding S1): the whole scenario, over HTTP."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.actors import CLI
from tests.support.databases import RunDatabases
from tests.support.hashing import hashing_held
from tests.support.running import PASSWORD, Running

PROXY = "127.0.0.1"
TAB = "/settings/general/telemetry"
ATTACKER, HOME, FRESH = "203.0.113.66", "192.0.2.7", "198.51.100.4"
API_KEY = "ck_shown_0123456789"
WRONG = "a wrong password"
ANOTHER = "brisk otter lamp quartz"
ADDRESSES, FOR_FAILED, FOR_NEW, OF_NETWORK = 20, 8, 9, 4
PLACES = FOR_FAILED + FOR_NEW


@pytest.fixture
def service(run_databases: RunDatabases, tmp_path: Path) -> Iterator[Running]:
    with Running(run_databases.sqlite(tmp_path), proxies=(PROXY,)) as running:
        assert running.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY}).is_success
        yield running


class Browser:
    """Keeps its cookies, and comes from an address."""

    def __init__(self, service: Running, address: str) -> None:
        self._service = service
        self.address = address
        self.cookies: dict[str, str] = {}

    def post(self, path: str, host: str | None = None, **form: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"X-Forwarded-For": self.address} | ({"Cookie": cookie} if cookie else {})
        if host is not None:
            headers |= {"Host": host, "Origin": f"http://{host}"}
        response = self._service.client.post(path, data=form, headers=headers)
        self.cookies |= dict(response.cookies)
        self._service.client.cookies.clear()
        return response

    def log_in(self, password: str = PASSWORD, name: str = "admin") -> int:
        return self.post("/login", name=name, password=password).status_code

    def log_out(self) -> None:
        assert self.post("/logout", csrf_token=self._proof()).status_code == 303
        del self.cookies["telemetry_session"]

    def show_key(self) -> httpx.Response:
        return self.post(f"{TAB}/api-key/reveal", csrf_token=self._proof(), password=PASSWORD)

    def _proof(self) -> str:
        return self._service.context.authentication.sessions.find(self.cookies["telemetry_session"]).csrf_token


def test_wrong_logins_without_end_keep_no_administrator_out(service: Running) -> None:
    known, attacker = Browser(service, HOME), Browser(service, ATTACKER)
    assert known.log_in() == 303
    for name in ("admin", "root", "admin", "x", "admin"):
        assert attacker.log_in(WRONG, name) == 401
    for _ in range(9):
        blocked = attacker.post("/login", name="admin", password=PASSWORD)
        assert blocked.status_code == 429
        service.clock.advance(timedelta(seconds=int(blocked.headers["retry-after"])))
        assert attacker.log_in(WRONG) == 401  # One more each time a block ends.
        assert API_KEY in known.show_key().text, "Show of an open session"
        known.log_out()
        assert known.log_in() == 303, "the browser that has logged in before"
        assert Browser(service, FRESH).log_in() == 303, "a new browser"


def test_not_even_strangers_at_the_same_address_keep_a_known_browser_out(service: Running) -> None:
    known, neighbor = Browser(service, HOME), Browser(service, HOME)
    assert known.log_in() == 303
    known.log_out()
    assert [neighbor.log_in(WRONG) for _ in range(6)] == [401] * 5 + [429]
    assert known.log_in() == 303
    assert Browser(service, HOME).log_in() == 429


def test_a_website_that_rebinds_its_name_to_the_service_counts_for_no_one(service: Running) -> None:
    visitor = Browser(service, HOME)
    for _ in range(6):
        response = visitor.post("/login", host="rebind.evil.example", name="admin", password=WRONG)
        assert response.status_code == 421
    assert Browser(service, HOME).log_in() == 303


def test_show_has_a_count_of_its_own(service: Running) -> None:
    known = Browser(service, HOME)
    assert known.log_in() == 303
    for _ in range(5):
        wrong = known.post(f"{TAB}/api-key/reveal", csrf_token=known._proof(), password=WRONG)  # noqa: SLF001
        assert "Incorrect password." in wrong.text
    blocked = known.show_key()
    assert "Too many incorrect passwords" in blocked.text
    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "30")
    known.log_out()
    assert known.log_in() == 303
    assert API_KEY in known.show_key().text


def test_the_cookie_of_a_known_browser_is_safe_and_stays_after_a_logout(service: Running) -> None:
    known = Browser(service, HOME)
    response = known.post("/login", name="admin", password=PASSWORD)
    (cookie,) = [one for one in response.headers.get_list("set-cookie") if one.startswith("telemetry_device=")]
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=34560000"} <= set(cookie.split("; "))
    device = known.cookies["telemetry_device"]
    logout = known.post("/logout", csrf_token=known._proof())  # noqa: SLF001
    assert "telemetry_device" not in logout.headers["set-cookie"]
    assert known.cookies["telemetry_device"] == device


@pytest.mark.long
def test_blocked_addresses_that_never_stop_keep_no_new_browser_out(service: Running) -> None:
    blocked, stop = set[str](), threading.Event()

    def attack(address: str) -> None:
        while not stop.is_set():
            # One may wait for long on a busy machine: all threads of this test share one interpreter with the service.
            with suppress(httpx.TimeoutException):
                if "Too many incorrect passwords" in post_wrong(service, address).text:
                    blocked.add(address)

    addresses = [f"203.0.113.{number}" for number in range(ADDRESSES)]
    with ThreadPoolExecutor(2 * ADDRESSES) as attackers:
        attacks = [attackers.submit(attack, address) for address in addresses * 2]
        try:
            wait_until(lambda: len(blocked) == ADDRESSES)
            assert [Browser(service, f"198.51.100.{number}").log_in() for number in range(5)] == [303] * 5
        finally:
            stop.set()
    assert [attack.exception() for attack in attacks] == [None] * 2 * ADDRESSES


def test_addresses_that_have_failed_leave_places_to_new_ones_and_blocked_ones_take_none(service: Running) -> None:
    failed = [f"203.0.113.{number}" for number in range(ADDRESSES)]
    for address in failed:
        assert post_wrong(service, address).status_code == 401
    for _ in range(5):
        post_wrong(service, ATTACKER)
    with ThreadPoolExecutor(2 * ADDRESSES) as callers, hashing_held(service):
        assert "Too many incorrect passwords" in post_wrong(service, ATTACKER).text
        attacks = [callers.submit(post_wrong, service, address) for address in failed]
        wait_until(lambda: sum(attack.done() for attack in attacks) >= ADDRESSES - FOR_FAILED)
        new = [callers.submit(Browser(service, f"198.51.100.{number}").log_in) for number in range(FOR_NEW)]
    assert [login.result() for login in new] == [303] * FOR_NEW
    assert sorted(attack.result().status_code for attack in attacks) == [401] * FOR_FAILED + [429] * 12


def test_a4_one_ipv6_network_fills_neither_the_places_of_new_addresses_nor_those_of_failed_ones(
    service: Running,
) -> None:
    network = (f"2001:db8:1:{number:x}::1" for number in range(10 * ADDRESSES))
    new = (f"198.51.100.{number}" for number in range(100))
    with ThreadPoolExecutor(4 * ADDRESSES) as callers:
        with hashing_held(service):
            attacks = [callers.submit(post_wrong, service, next(network)) for _ in range(ADDRESSES)]
            wait_until(lambda: sum(attack.done() for attack in attacks) == ADDRESSES - OF_NETWORK)
            people = [callers.submit(Browser(service, next(new)).log_in) for _ in range(PLACES)]
            wait_until(lambda: sum(login.done() for login in people) == OF_NETWORK)
        assert sorted(login.result() for login in people) == [303] * (PLACES - OF_NETWORK) + [429] * OF_NETWORK
        failed = [f"203.0.113.{number}" for number in range(FOR_FAILED)]
        assert [post_wrong(service, address).status_code for address in failed] == [401] * FOR_FAILED
        with hashing_held(service):
            again = [callers.submit(post_wrong, service, address) for address in failed]
            attacks = [callers.submit(post_wrong, service, next(network)) for _ in range(ADDRESSES)]
            wait_until(lambda: sum(one.done() for one in (*again, *attacks)) == ADDRESSES)
            people = [callers.submit(Browser(service, next(new)).log_in) for _ in range(FOR_NEW)]
        assert [login.result() for login in people] == [303] * FOR_NEW


def test_a4_after_a_new_password_known_browsers_still_do_not_wait_for_strangers(service: Running) -> None:
    known, others = Browser(service, HOME), [Browser(service, HOME) for _ in range(3)]
    assert [browser.log_in() for browser in (known, *others)] == [303] * 4
    service.context.authentication.accounts.set_password(ANOTHER, CLI)
    present = Browser(service, FRESH)
    assert present.log_in(ANOTHER) == 303
    crowd = [f"203.0.113.{number}" for number in range(PLACES + 1)]
    with ThreadPoolExecutor(2 * PLACES) as callers:
        with hashing_held(service):
            attacks = [callers.submit(post_wrong, service, address) for address in crowd]
            wait_until(lambda: sum(attack.done() for attack in attacks) == 1)
            logins = [callers.submit(known.log_in, ANOTHER), callers.submit(present.log_in, ANOTHER)]
        assert [login.result() for login in logins] == [303, 303]
        assert sorted(attack.result().status_code for attack in attacks) == [401] * PLACES + [429]
        for other in others:
            other.cookies.pop("telemetry_session")
        with hashing_held(service):  # Who knew the earlier password has as many of these as he likes.
            earlier = [callers.submit(other.log_in, ANOTHER) for other in others for _ in range(3)]
            wait_until(lambda: sum(one.done() for one in earlier) == len(earlier) - OF_NETWORK)
            again = callers.submit(known.log_in, ANOTHER)
        assert again.result() == 303
    assert sorted(one.result() for one in earlier) == [303] * OF_NETWORK + [429] * 5


def test_a4_a_browser_of_an_earlier_password_has_a_count_of_its_own(service: Running) -> None:
    known, neighbor = Browser(service, HOME), Browser(service, HOME)
    assert known.log_in() == 303
    service.context.authentication.accounts.set_password(ANOTHER, CLI)
    assert [neighbor.log_in() for _ in range(6)] == [401] * 5 + [429]
    assert [known.log_in() for _ in range(6)] == [401] * 5 + [429]
    service.clock.advance(timedelta(seconds=30))
    assert known.log_in(ANOTHER) == 303


def post_wrong(service: Running, address: str) -> httpx.Response:
    form = {"name": "admin", "password": WRONG}
    return service.client.post("/login", data=form, headers={"X-Forwarded-For": address})


def wait_until(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 100
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.01)

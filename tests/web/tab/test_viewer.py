"""A viewer's pages offer nothing that the viewer would be refused, and say why."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from telemetry_service.identity.sessions import Proven
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.tab import paths
from tests.browser.console import Console, Deployed
from tests.support.actors import ADMINISTRATOR, PROVIDED, STRANGER, VIEWER
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.running import UNUSED_TLS
from tests.support.shared_clock import SharedClock
from tests.support.site_fixtures import clock, server
from tests.web.security.test_authorization import ROUTES, VIEWED

__all__ = ["clock", "server"]

BESIDE = (paths.PROOF, paths.ACTIVITY, paths.ACCESS)
"""Other views."""


class _Offers(HTMLParser):
    """Collects the addresses that the enabled links, forms and buttons of a page lead to, each with its method."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self._disabled = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._disabled += tag == "fieldset" and "disabled" in given
        if self._disabled or "disabled" in given:
            return
        if tag == "form" and given.get("id") != "settings":  # Its buttons submit it, and they count.
            self._add(str(given.get("method", "get")).upper(), given.get("action"))
        self._add("GET", given.get("href"), given.get("hx-get"))
        self._add("POST", given.get("formaction"), given.get("hx-post") if tag != "form" else None)

    def handle_endtag(self, tag: str) -> None:
        self._disabled -= tag == "fieldset" and self._disabled > 0

    def _add(self, method: str, *addresses: str | None) -> None:
        inside = (address.partition("?")[0].partition("#")[0] for address in addresses if address)
        self.found |= {(method, path) for path in inside if path.startswith(paths.TAB)}


@pytest.fixture
def console(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Console]:
    """A console with everything that an administrator can act on."""
    with Console(database_url, clock, server, Deployed(environment=PROVIDED)) as running:
        running.set_key()
        server.trouble(Trouble(before=reply(503)))
        yield running


def _offers(console: Console, address: str, cookies: dict[str, str]) -> tuple[set[tuple[str, str]], str]:
    with httpx.Client(base_url=console.url, cookies=cookies, trust_env=False, verify=UNUSED_TLS) as client:
        page = client.get(address)
    assert page.status_code == 200
    offers = _Offers()
    offers.feed(page.text)
    return offers.found, page.text


def test_what_a_viewer_cannot_do_is_not_offered_and_the_reason_is(console: Console) -> None:
    sessions = console.app.state.context.authentication.sessions
    transmission = console.send().transmission.transmission_id
    refused: dict[str, set[tuple[str, str]]] = {}
    for person in (ADMINISTRATOR, VIEWER):
        cookies = {"telemetry_session": sessions.open(Proven(person, console.clock.now()), STRANGER).token}
        found: set[tuple[str, str]] = set()
        for address in (paths.TAB, paths.SETTINGS, paths.transmission(transmission), *BESIDE):
            offered, text = _offers(console, address, cookies)
            found |= offered
            assert ('id="viewer-note"' in text) is (person is VIEWER)
        refused[person.role] = {offer for offer in found if not _admits_viewers(*offer)}
    assert refused["viewer"] == set()
    assert len(refused["administrator"]) >= 6


def _admits_viewers(method: str, path: str) -> bool:
    """Whether the table of routes admits viewers; in an address, something stands for each parameter."""
    for (known, template), allowed in ROUTES.items():
        if known == method and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            return allowed == VIEWED
    message = f"no route is known for {method} {path}"
    raise AssertionError(message)


def test_a_viewer_sees_what_one_person_did_and_is_offered_no_export_that_would_be_refused(console: Console) -> None:
    sessions = console.app.state.context.authentication.sessions
    cookies = {"telemetry_session": sessions.open(Proven(VIEWER, console.clock.now()), STRANGER).token}
    newest = read_now(console.runtime, lambda snapshot: snapshot.tx.ledger.head()).seq
    _, text = _offers(console, f"{paths.ACTIVITY}?person={newest}", cookies)
    assert f"Only what <strong>{VIEWER.name}</strong> (entry {newest}) did" in text
    assert "Only administrators can export what one person did." in text
    assert paths.ACTIVITY_EXPORT not in text
    assert paths.ACTIVITY_EXPORT in _offers(console, paths.ACTIVITY, cookies)[1]

"""What a page asks of the database: a few statements, all of one moment, and a fragment no more than it shows."""

from collections.abc import Iterator

import httpx
import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.queries.who import LOOKS_AT
from telemetry_service.web.tab import paths
from tests.browser.console import Console
from tests.support.actors import VIEWER
from tests.support.databases import ON_BOTH
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site_fixtures import clock, server
from tests.support.statements import Asked, counted_statements

__all__ = ["clock", "server"]

pytestmark = ON_BOTH

TRANSACTIONS = 2
"""One that recognizes the session, and one in which all that is shown is read."""
HTMX = {"HX-Request": "true"}
FRAGMENTS = {"history": (paths.HISTORY, 8), "payload": (paths.PAYLOAD, 12)}
DIALOGS = {"send now": (paths.SEND_NOW, 12), "remove key": (paths.REMOVE_KEY, 8)}


@pytest.fixture
def console(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Console]:
    """A console with something to show in every section."""
    with Console(database_url, clock, server) as running:
        running.set_key()
        running.register_pairs(3)
        running.report_license()
        running.report(3)
        running.send()
        running.configure(retention_days=365)
        yield running


def look(console: Console, address: str, headers: dict[str, str] | None = None) -> Asked:
    return seen(console, address, headers)[0]


def seen(console: Console, address: str, headers: dict[str, str] | None = None) -> tuple[Asked, str]:
    """Return what an address asks of the database, and what it shows."""
    cookies = {"telemetry_session": console.session_cookie()}
    with httpx.Client(base_url=console.url, cookies=cookies, trust_env=False, timeout=60) as client:
        with counted_statements() as asked:
            response = client.get(address, headers=headers)
        assert response.status_code == 200
    return asked, response.text


def test_a_page_is_read_in_twenty_statements_and_one_transaction_beside_the_sessions(console: Console) -> None:
    for address in (paths.TAB, paths.SETTINGS, paths.PAYLOAD, "/embedded", paths.PROOF, paths.ACTIVITY):
        asked = look(console, address)
        assert (asked.transactions, len(asked.statements) <= 20) == (TRANSACTIONS, True), (address, asked)


def test_a_page_about_a_person_who_did_little_is_read_in_as_many_and_says_how_far_back_it_looked(
    console: Console,
) -> None:
    with console.runtime.database.read() as tx:
        theirs = tx.ledger.latest(1, kind=Kind.SETTINGS.value)[0].seq
        head = tx.ledger.head().seq
    with console.runtime.database.write() as tx:
        for _ in range(LOOKS_AT):
            tx.ledger.note(console.clock.now(), VIEWER.actor(None), Kind.EXPORTED)
    asked, text = seen(console, f"{paths.ACTIVITY}?person={theirs}")
    assert (asked.transactions, len(asked.statements) <= 20) == (TRANSACTIONS, True), asked
    # The login of the look is an entry, too.
    assert f"This page looked back to entry {head + 2}." in text
    assert f"person={theirs}&amp;before={head + 2}" in text


def test_a_fragment_reads_what_it_shows_and_nothing_else(console: Console) -> None:
    for name, (address, most) in (FRAGMENTS | DIALOGS).items():
        asked = look(console, address, HTMX)
        assert (asked.transactions, len(asked.statements) <= most) == (TRANSACTIONS, True), (name, asked)


def test_a_drawer_is_read_in_ten_statements_and_one_transaction_beside_the_sessions(console: Console) -> None:
    sent = console.send().transmission.transmission_id
    asked = look(console, paths.transmission(sent), HTMX)
    assert (asked.transactions, len(asked.statements) <= 10) == (TRANSACTIONS, True), asked


def test_the_number_of_statements_does_not_follow_the_number_of_rows(console: Console) -> None:
    before = look(console, paths.HISTORY, HTMX)
    for _ in range(4):
        console.report(1)
        console.send()
    assert look(console, paths.HISTORY, HTMX) == before

"""One browser for the tests that are side by side; a console, a License Server and a clock for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.console import Console, Deployed
from tests.browser.visitor import ARGUMENTS, Faults, Look, visit
from tests.support.browser import browser_path
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site_fixtures import clock, server

__all__ = ["clock", "server"]

_PATIENCE_MILLISECONDS = 20_000
"""How long something may take to appear on a machine that is busy with the rest of the suite."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for as long as tests of this folder follow one another.

    While it is open an event loop runs in this thread, and the tests of other folders need to run their own.
    """
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path(), args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def deployed() -> Deployed:
    """What the deployment decides; a test may parametrize it."""
    return Deployed()


@pytest.fixture
def console(sqlite_url: str, clock: SharedClock, server: LicenseServer, deployed: Deployed) -> Iterator[Console]:
    """A console right after its installation: no API key, no bouncer, nothing sent."""
    with Console(sqlite_url, clock, server, deployed) as running:
        yield running


@pytest.fixture
def ready(console: Console) -> Console:
    """The same with an API key, three bouncer pairs and a day of usage."""
    console.set_key()
    console.register_pairs(3)
    console.report_license()
    console.report(3)
    return console


@pytest.fixture
def opened(browser: Browser, console: Console) -> Iterator[tuple[Page, Faults]]:
    """The tab in a wide, light browser with JavaScript, and what goes wrong in it."""
    with visit(browser, console, Look()) as (page, faults):
        yield page, faults


@pytest.fixture
def page(opened: tuple[Page, Faults]) -> Page:
    """A page of a logged-in administrator; nothing is loaded yet."""
    return opened[0]


@pytest.fixture
def faults(opened: tuple[Page, Faults]) -> Faults:
    """What goes wrong in ``page``."""
    return opened[1]


@pytest.fixture
def plain(browser: Browser, console: Console) -> Iterator[Page]:
    """A page of a logged-in administrator whose browser has no JavaScript."""
    with visit(browser, console, Look(javascript=False)) as (page, _):
        yield page

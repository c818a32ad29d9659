"""An administrator's browser, which notices whatever goes wrong in it."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Frame, Page, ViewportSize

from tests.browser.console import Console

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 720}
ZONE = "Europe/Berlin"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-dev-shm-usage",
)
IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
_STATUS = re.compile(r"the server responded with a status of (\d+)")
_PATIENCE_SECONDS = 30
_CLEARED = "Clear-Site-Data header on "
"""How the browser begins its report that it has cleared its cache, as a log-out asks it to."""


@dataclass
class Faults:
    """What a browser has remarked: whatever stands in the console (broken policies too), scripts that failed."""

    found: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)
    """Responses that a test expects to be refusals: the browser logs each of them as an error."""

    def note_console(self, message: ConsoleMessage) -> None:
        """Note what the console says, be it an error, a warning or a piece of information: ours writes nothing."""
        self.found.append(message.text)

    def note_error(self, error: Error) -> None:
        """Note a script that failed."""
        self.found.append(str(error))

    def unexpected(self) -> list[str]:
        """Return what no test has announced."""
        return [text for text in self.found if not self._is_expected(text)]

    def _is_expected(self, text: str) -> bool:
        if text.startswith(_CLEARED):
            return text.endswith('Cleared data types: "cache".')
        status = _STATUS.search(text)
        return status is not None and int(status[1]) in self.expected_statuses


@dataclass(frozen=True, slots=True)
class Look:
    """How the browser is set up."""

    javascript: bool = True
    viewport: ViewportSize = field(default_factory=lambda: WIDE)
    dark: bool = False
    logged_in: bool = True


@contextmanager
def visit(browser: Browser, console: Console, look: Look) -> Iterator[tuple[Page, Faults]]:
    """Open a page in a browser profile of its own, and expect at the end that nothing went wrong in it."""
    context = browser.new_context(
        java_script_enabled=look.javascript,
        viewport=look.viewport,
        color_scheme="dark" if look.dark else "light",
        timezone_id=ZONE,
        locale="en-GB",
        reduced_motion="reduce",
    )
    if look.logged_in:
        log_in(context, console)
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults = Faults()
    page.on("console", faults.note_console)
    page.on("pageerror", faults.note_error)
    try:
        yield page, faults
    finally:
        context.close()
    assert not faults.unexpected(), faults.unexpected()  # This file is no test, so nothing shows the values.


def log_in(context: BrowserContext, console: Console, token: str | None = None) -> None:
    """Give the browser a session, or else a new one of the administrator; the old one ends when the clock moves on."""
    cookie = {"name": "telemetry_session", "value": token or console.session_cookie(), "url": console.url}
    context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dictionary is what it takes


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Take a screenshot for the documentation, where the environment asks for pictures (``PICTURES=1``)."""
    if os.environ.get("PICTURES") != "1":
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    # Hiding the caret would need an inline style, which the page's policy forbids.
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole, caret="initial")


def until(page: Page | Frame, expression: str) -> None:
    """Wait until an expression is true in a page. Playwright's own wait evaluates texts, which our policy forbids."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < ends, expression
        page.wait_for_timeout(50)

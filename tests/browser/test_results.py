"""Results appear where one looks: inside an open drawer or dialog, announced once, and never inert."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.console import Console
from tests.browser.test_history import REFUSED
from tests.browser.visitor import log_in
from tests.support.license_server import NO_TROUBLE

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
PLAIN = {"receipts-imported-dialog"}
"""A page without scripts shows it, so nothing is inert beside it."""
A_RESULT = """document.dispatchEvent(new CustomEvent("htmx:sendError", { detail: { elt: document.body } }))"""
ADDED = """
  (() => {
    globalThis.added = 0;
    new MutationObserver((changes) => {
      for (const { addedNodes, target } of changes) {
        if (target.id === "toasts" && target.isConnected) globalThis.added += addedNodes.length;
      }
    }).observe(document, { childList: true, subtree: true });
  })()
"""


def shorten_retention(page: Page) -> None:
    page.get_by_label("7 days").check()
    page.locator("#save-all").click()


def ask_withdraw(page: Page) -> None:
    page.locator("#history tbody th a").first.click()
    page.locator("#ask-withdraw").click()


def click(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.click()


OPENED: dict[str, tuple[str, Callable[[Page], None], str]] = {
    "send-now-dialog": ("", click("#send-now"), "Cancel"),
    "payload-dialog": ("", click("#view-payload"), "Exact payload"),
    "retry-all-dialog": ("", click("#retry-all"), "Cancel"),
    "drawer": ("", click("#history tbody th a"), ""),
    "decide-dialog": ("", ask_withdraw, ""),
    "remove-key-dialog": ("/settings", click("#remove-key"), "Cancel"),
    "confirm-dialog": ("/settings", shorten_retention, "Cancel"),
    "relogin-dialog": ("/settings", click("#show"), ""),
}
"""Where each dialog is opened, how, and what of it has the focus first; empty for a field, or its close button."""


@contextmanager
def opened(console: Console, page: Page, name: str) -> Iterator[Locator]:
    """Open a dialog, and close it again."""
    view, act, _ = OPENED[name]
    page.goto(console.tab + view)
    act(page)
    dialog = page.locator(f"#{name}")
    expect(dialog).to_be_visible()
    yield dialog
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_every_dialog_shows_a_result_in_itself_once_and_lets_it_be_dismissed(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    ready.send()
    ready.server.trouble(NO_TROUBLE)
    ready.clock.advance(days=20)
    log_in(page.context, ready)
    page.goto(ready.tab)  # The login is used, and is not recent for what asks for a password.
    ready.clock.advance(minutes=11)
    for name, (_view, _act, focused) in OPENED.items():
        with opened(ready, page, name) as dialog:
            if focused:
                assert page.evaluate("document.activeElement.textContent.trim()") == focused, name
            else:
                expect(dialog.locator(":focus")).to_have_count(1)
            page.evaluate(ADDED)
            page.evaluate(A_RESULT)
            said = dialog.get_by_role("status").locator("[data-toast]")
            expect(said).to_contain_text("did not respond")
            assert page.locator("#toasts").count() == 1, name
            assert page.evaluate("globalThis.added") == 1, name
            dialog.get_by_role("button", name="Dismiss this message").click()
            expect(said).to_have_count(0)
        expect(page.locator("#telemetry > #toasts")).to_have_count(1)


def test_the_walk_above_meets_every_dialog_that_there_is() -> None:
    parts = [
        text.split("<dialog", 1)[1] for path in TEMPLATES.rglob("*.html") if "<dialog" in (text := path.read_text())
    ]
    assert {part.split('id="', 1)[1].split('"', 1)[0] for part in parts} == set(OPENED) | PLAIN


def test_a_retry_in_the_drawer_says_its_result_in_the_drawer(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    ready.send()
    page.goto(ready.tab)
    page.locator("#history tbody th a").first.click()
    page.locator("#drawer-retry").click()
    said = page.locator("#drawer").get_by_role("status").locator("[data-toast]")
    expect(said).to_contain_text("Sent again, but not accepted.")
    ready.server.trouble(NO_TROUBLE)
    page.locator("#drawer-retry").click()
    expect(said).to_have_count(1)
    expect(said).to_contain_text("Sent again and accepted by the License Server.")
    said.get_by_role("button", name="Dismiss this message").click()
    expect(said).to_have_count(0)

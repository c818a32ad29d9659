"""WCAG 2.2 AA as far as axe can check it: nothing found, in light and dark, wide and at 320 pixels."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.console import Console
from tests.browser.story import live_for_weeks
from tests.browser.test_demo_mode import THROW_AWAY
from tests.browser.test_history import failed_and_sent
from tests.browser.test_session_end import came_back, change
from tests.browser.visitor import NARROW, WIDE, Look, log_in, picture, visit

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "resultTypes": ["violations"],
}
IN_THE_PAGE = Axe("")
"""For a page into which the whole of axe was put before."""
Scheme = Literal["light", "dark"]
LOOKS: tuple[tuple[str, ViewportSize, Scheme], ...] = (
    ("wide", WIDE, "light"),
    ("wide-dark", WIDE, "dark"),
    ("narrow", NARROW, "light"),
    ("narrow-dark", NARROW, "dark"),
)


VIEWS = (
    ("", "tab", ("preview", "history")),
    ("/settings", "settings", ("transmission", "security")),
)
"""The address of a view, the name of its picture, and the parts of it that have their own."""


def look(page: Page, viewport: ViewportSize, scheme: Scheme) -> None:
    """Give the page another width and another theme."""
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)


def check(page: Page, what: str) -> None:
    """Expect in every look that axe finds nothing, and that nothing is wider than the window."""
    axe = Axe()
    for name, viewport, scheme in LOOKS:
        look(page, viewport, scheme)
        found = axe.run(page, options=RULES).response["violations"]
        axe = IN_THE_PAGE
        said = [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found for node in one["nodes"]]
        assert said == [], f"{what}, {name}"
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], f"{what}, {name}"
    look(page, WIDE, "light")


def test_the_tab_and_what_appears_in_it(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    ready.report(3)
    log_in(page.context, ready)
    page.goto(ready.tab)
    page.get_by_text("Show as table").click()
    check(page, "the overview with a table")
    page.goto(ready.settings)
    page.locator("#test").click()
    expect(page.locator("#connection-test-result .step")).to_have_count(6)
    page.locator("#show").click()
    expect(page.locator("#revealed-key-text")).to_be_visible()
    check(page, "after a test, with the key shown")


DIALOGS = {
    "#send-now": ("", "#send-now-dialog"),
    "#view-payload": ("", "#payload-dialog"),
    "#retry-all": ("", "#retry-all-dialog"),
    "#remove-key": ("/settings", "#remove-key-dialog"),
    "#history tr:nth-child(2) th a": ("", "#drawer"),
}
"""What opens each, and on which view."""


def test_each_dialog(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    log_in(page.context, ready)
    for opener, (view, dialog) in DIALOGS.items():
        page.goto(ready.tab + view)
        page.locator(opener).click()
        expect(page.locator(dialog)).to_be_visible()
        check(page, dialog)


def test_a_wrong_field_and_a_question_before_a_save(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.locator("#replace").click()
    page.locator("#api_key").fill("wrong")
    page.locator("#save").click()
    expect(page.locator("#api_key-wrong")).to_be_visible()
    check(page, "a wrong key")
    page.get_by_role("switch", name="Enable Telemetry").uncheck()
    page.locator("#save-all").click()
    expect(page.locator("#confirm-dialog")).to_be_visible()
    check(page, "a question")


@pytest.mark.parametrize("deployed", [THROW_AWAY], ids=["demo"])
def test_a_demo_and_a_form_that_came_back_after_the_login(console: Console, page: Page) -> None:
    change(page, console)
    log_in(page.context, console)  # As in another window.
    page.locator("#save-all").click()
    came_back(page)
    check(page, "a demo, and a form that came back")
    picture(page, "after-the-login")


def test_the_tab_right_after_the_installation(console: Console, page: Page) -> None:
    for view in (console.tab, console.settings):
        page.goto(view)
        check(page, f"the empty tab, {view}")


def test_the_tab_of_a_site_that_has_run_for_weeks(console: Console, page: Page) -> None:
    live_for_weeks(console)
    log_in(page.context, console)
    for view, first, parts in VIEWS:
        page.goto(console.tab + view)
        check(page, f"the tab after weeks, {view}")
        for name, viewport, scheme in LOOKS:
            look(page, viewport, scheme)
            page.evaluate("scrollTo(0, 0)")
            picture(page, f"{first}-{name}")
            for part in parts:
                page.locator(f"#{part}").evaluate("part => part.scrollIntoView({behavior: 'instant'})")
                picture(page, f"{part}-{name}")


def test_the_access_page(ready: Console, page: Page) -> None:
    ready.session_cookie()  # As in another browser.
    page.goto(ready.settings)
    page.get_by_role("link", name="Sessions and tokens").click()
    expect(page.locator("#session-list tbody tr")).to_have_count(2)
    page.locator("#change-password").scroll_into_view_if_needed()
    check(page, "the access page")
    page.locator("#end-others").click()
    expect(page.locator("#session-list tbody tr")).to_have_count(1)


def test_the_login(browser: Browser, console: Console) -> None:
    with visit(browser, console, Look(logged_in=False)) as (page, _):
        page.goto(console.url)
        check(page, "the login")

"""WCAG 2.2 AA as far as axe can tell: nothing found, in light and dark, wide and at 320 pixels."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.console import Console
from tests.browser.story import live_for_weeks
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import NARROW, WIDE, Look, log_in, picture, visit

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


@pytest.fixture(
    params=[(WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True)],
    ids=["wide", "wide-dark", "narrow", "narrow-dark"],
)
def looked_at(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Page]:
    """The same page in every look."""
    viewport, dark = request.param
    with visit(browser, console, Look(viewport=viewport, dark=dark)) as (page, _):
        yield page


def check(page: Page, what: str) -> None:
    """Expect that axe finds nothing, and that nothing is wider than the window."""
    found = Axe().run(page, options=RULES).response["violations"]
    said = [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found for node in one["nodes"]]
    assert said == [], what
    width: ViewportSize | None = page.viewport_size
    assert width is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= width["width"], what


def test_the_tab_and_everything_that_opens_in_it(ready: Console, looked_at: Page) -> None:
    page = looked_at
    failed_and_sent(ready)
    ready.report(3)
    log_in(page.context, ready)
    page.goto(ready.tab)
    check(page, "the tab")
    page.locator("#test").click()
    expect(page.locator("#connection-test .step")).to_have_count(5)
    page.locator("#show").click()
    expect(page.locator("#revealed-key-text")).to_be_visible()
    page.get_by_text("The same as a table").click()
    check(page, "after a test, with the key shown")
    page.locator("#send-now").click()
    check(page, "Send Now")
    page.keyboard.press("Escape")
    page.locator("#view-payload").click()
    check(page, "the exact payload")
    page.keyboard.press("Escape")
    page.locator("[data-drawer-link]").nth(1).click()
    expect(page.locator("#drawer")).to_be_visible()
    check(page, "a transmission")
    page.keyboard.press("Escape")
    page.get_by_label("API Key", exact=True).fill("wrong")
    page.locator("#save").click()
    expect(page.locator("#api_key-wrong")).to_be_visible()
    page.get_by_role("switch", name="Enable Telemetry").uncheck()
    page.locator("#save-all").click()
    expect(page.locator("#confirm-dialog")).to_be_visible()
    check(page, "a question before a save")


def test_the_tab_right_after_the_installation(console: Console, looked_at: Page) -> None:
    looked_at.goto(console.tab)
    check(looked_at, "the empty tab")


def test_the_tab_of_a_site_that_has_run_for_weeks(
    console: Console, looked_at: Page, request: pytest.FixtureRequest
) -> None:
    live_for_weeks(console)
    page, look = looked_at, request.node.callspec.id
    log_in(page.context, console)
    page.goto(console.tab)
    expect(page.locator("#health-title")).to_have_text("Healthy")
    check(page, "the tab after weeks")
    picture(page, f"tab-{look}")
    for part in ("transmission", "security", "preview", "history")[0 if look.startswith("wide") else 3 :]:
        page.locator(f"#{part}").evaluate("part => part.scrollIntoView({behavior: 'instant'})")
        picture(page, f"{part}-{look}")


def test_the_login(browser: Browser, console: Console) -> None:
    with visit(browser, console, Look(logged_in=False)) as (page, _):
        page.goto(console.url)
        check(page, "the login")

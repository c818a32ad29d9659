"""A service that runs to be tried out says so on every page, and nobody else's does."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.console import Console, Deployed
from tests.browser.visitor import Look, visit
from tests.support.each import each

DEMO = Deployed(environment={"DEMO_MODE": "true"})
THROW_AWAY = Deployed(environment={"DEMO_MODE": "true", "ENCRYPTION_KEY": "", "CREDENTIAL_ENCRYPTION_KEY": ""})


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
@each("address", ["", "/settings", "/payload", "/send-now", "/proof", "/activity"])
def test_every_page_says_that_it_is_a_demo(console: Console, page: Page, address: str) -> None:
    page.goto(console.tab + address)
    note = page.get_by_role("note", name="Demo mode")
    expect(note).to_have_count(1)
    expect(note).to_contain_text("DEMO_MODE=true")
    expect(note).to_contain_text("Don’t enter a production API key.")


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
def test_the_frame_brings_it_into_the_console_that_shows_it(console: Console, page: Page) -> None:
    assert page.request.get(f"{console.url}/embedded").text().count('aria-label="Demo mode"') == 1


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
def test_the_login_says_it_too(browser: Browser, console: Console) -> None:
    with visit(browser, console, Look(logged_in=False)) as (page, _):
        page.goto(console.url)
        expect(page.get_by_role("note", name="Demo mode")).to_be_visible()


@pytest.mark.parametrize("deployed", [THROW_AWAY], ids=["throw-away keys"])
def test_keys_that_end_with_the_process_are_named(console: Console, page: Page) -> None:
    page.goto(console.tab)
    expect(page.get_by_role("note", name="Demo mode")).to_contain_text("discarded when it stops")


def test_a_real_installation_shows_no_such_thing(console: Console, page: Page) -> None:
    page.goto(console.tab)
    expect(page.locator("#health")).to_be_visible()
    expect(page.get_by_text("Demo mode")).to_have_count(0)

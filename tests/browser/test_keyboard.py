"""The main stories by keyboard alone."""

from playwright.sync_api import Page, expect

from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.support.license_server import API_KEY


def tab_to(page: Page, element_id: str, key: str = "Tab") -> None:
    """Press the key until an element has the focus."""
    for _ in range(120):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement?.id") == element_id:
            return
    message = f"the keyboard does not reach #{element_id}"
    raise AssertionError(message)


def test_the_first_stop_skips_to_the_content(console: Console, page: Page) -> None:
    page.goto(console.tab)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_key_is_entered_tested_and_saved(console: Console, page: Page) -> None:
    page.goto(console.settings)
    tab_to(page, "api_key")
    page.keyboard.type(API_KEY)
    tab_to(page, "test")
    page.keyboard.press("Enter")
    expect(page.locator("#connection-test-result")).to_be_focused()
    tab_to(page, "save", "Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator("#toasts")).to_contain_text("API key saved.")
    expect(page.locator("#replace")).to_be_focused()


def test_a_frequency_is_chosen_and_telemetry_switched_off(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    tab_to(page, "enabled")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    tab_to(page, "save-all")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Turn telemetry off?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#save-all")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    values = read_now(ready.runtime, read_configuration).stored.values
    assert not values.enabled
    assert values.frequency is Frequency.WEEKLY


def test_the_payload_is_sent_and_the_drawer_closed(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    tab_to(page, "send-now")
    page.keyboard.press("Enter")
    expect(page.locator("#send-now-dialog")).to_be_visible()
    tab_to(page, "send-now-confirm")
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_contain_text("Success")
    expect(page.locator("#drawer-close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_have_count(0)
    expect(page.locator("#history tbody tr")).to_have_count(1)


def test_a_failed_transmission_is_read_and_retried(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    row = page.locator("#history tbody tr").nth(1)
    link = row.locator("a").get_attribute("id") or ""
    tab_to(page, link)
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_contain_text("refused the payload")
    page.keyboard.press("Escape")
    expect(page.locator(f"#{link}")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Sent again and accepted")
    expect(page.locator(f"#{link}")).to_be_focused()

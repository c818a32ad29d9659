"""The same stories in a browser without JavaScript: plain forms, plain links, whole pages."""

import re

from playwright.sync_api import Browser, Page, expect

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import PASSWORD, Console
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Look, visit
from tests.support.license_server import API_KEY


def test_a_key_is_entered_tested_and_saved(console: Console, plain: Page) -> None:
    plain.goto(console.settings)
    plain.get_by_label("API Key", exact=True).fill(API_KEY)
    plain.get_by_label("Weekly").check()
    plain.locator("#test").click()
    expect(plain.locator("#connection-test")).to_contain_text("Connection is working correctly.")
    expect(plain.get_by_label("Weekly")).to_be_checked()
    assert API_KEY not in plain.content()
    plain.get_by_label("API Key", exact=True).fill(API_KEY)
    plain.locator("#save").click()
    expect(plain.locator("#toasts")).to_contain_text("API key saved.")
    expect(plain.get_by_label("Weekly")).to_be_checked()  # What was chosen besides is neither saved nor lost.
    assert read_now(console.runtime, read_configuration).stored.values.frequency is Frequency.TWICE_MONTHLY
    plain.locator("#save-all").click()
    expect(plain.locator("#toasts")).to_contain_text("Settings saved.")
    assert read_now(console.runtime, read_configuration).stored.values.frequency is Frequency.WEEKLY


def test_the_key_is_shown_after_the_password(ready: Console, plain: Page) -> None:
    plain.goto(ready.settings)
    ready.clock.advance(minutes=11)
    plain.locator("#show").click()
    plain.get_by_role("textbox", name="Password").fill(PASSWORD)
    with plain.expect_response("**/reveal") as response:
        plain.get_by_role("button", name="Show the API key").click()
    expect(plain.locator("#revealed-key-text")).to_have_text(API_KEY)
    assert response.value.headers["refresh"] == "30; url=/settings/general/telemetry/settings"
    assert response.value.headers["cache-control"] == "no-store"
    plain.get_by_role("link", name="Hide").click()
    expect(plain.locator("#revealed-key-text")).to_have_count(0)


def test_the_key_is_removed_after_a_question(ready: Console, plain: Page) -> None:
    plain.goto(ready.settings)
    plain.locator("#remove-key").click()
    expect(plain.get_by_role("heading", name="Remove the API key?")).to_be_visible()
    expect(plain.locator("main")).to_contain_text("No payload is waiting.")
    plain.get_by_role("link", name="Cancel").click()
    plain.locator("#remove-key").click()
    plain.get_by_role("button", name="Remove the API key").click()
    expect(plain.locator("#toasts")).to_contain_text("API key removed.")
    assert ready.noted(Kind.KEY_REMOVED)
    assert read_now(ready.runtime, read_configuration).stored.api_key is None
    plain.goto(f"{ready.tab}/api-key/remove")
    expect(plain.locator("main")).to_contain_text("there is nothing to remove")


def test_turning_telemetry_off_asks_on_a_separate_page(ready: Console, plain: Page) -> None:
    plain.goto(ready.settings)
    plain.locator("#replace").click()
    plain.get_by_role("switch", name="Enable Telemetry").uncheck()
    plain.get_by_label("New API Key", exact=True).fill("ck_another_key_of_this_customer")
    plain.locator("#save-all").click()
    expect(plain.get_by_role("heading", name="Turn telemetry off?")).to_be_visible()
    expect(plain.locator("main")).to_contain_text("Enter the API key again")
    plain.get_by_role("button", name="Turn off and save").click()
    expect(plain.locator("#server-badge")).to_have_text("License Server: not contacted while off")


def test_a_stale_save_shows_the_difference(browser: Browser, ready: Console) -> None:
    with visit(browser, ready, Look(javascript=False)) as (page, faults):
        faults.expected_statuses.add(412)
        page.goto(ready.settings)
        page.get_by_label("Daily").check()
        ready.configure(frequency=Frequency.WEEKLY)
        page.locator("#save-all").click()
        expect(page.locator("#stale")).to_contain_text("Transmission Frequency")
        expect(page.get_by_label("Daily")).to_be_checked()
        page.locator("#save-all").click()
        expect(page.locator("#toasts")).to_contain_text("Settings saved.")


def test_send_now_shows_the_payload_first(ready: Console, plain: Page) -> None:
    plain.goto(ready.tab)
    plain.locator("#send-now").click()
    expect(plain.locator('[data-field="total_events"]')).to_contain_text("203")
    plain.get_by_role("button", name="Send now").click()
    plain.wait_for_url(re.compile("/history/"))
    expect(plain.locator("#toasts")).to_contain_text("Sent and accepted by the License Server.")
    expect(plain.locator("#drawer")).to_contain_text("Success")
    expect(plain.locator("#drawer-close")).to_be_focused()
    plain.locator("#drawer-close").click()
    expect(plain.locator("#drawer")).to_have_count(0)


def test_the_payload_is_a_page(ready: Console, plain: Page) -> None:
    plain.goto(ready.tab)
    plain.locator("#view-payload").click()
    expect(plain.get_by_role("heading", name="Exact payload")).to_be_visible()
    plain.get_by_role("link", name="Close").click()
    expect(plain.locator("#health")).to_be_visible()


def test_the_history_is_filtered_read_and_retried(ready: Console, plain: Page) -> None:
    failed_and_sent(ready)
    plain.goto(ready.tab)
    plain.get_by_role("link", name="Rejected 1").click()
    expect(plain.locator("#history tbody tr")).to_have_count(1)
    plain.locator("#history tbody th a").first.click()
    expect(plain.locator("#drawer")).to_contain_text("The License Server refused the payload.")
    plain.locator("#drawer-close").click()
    expect(plain.locator("#history tbody tr")).to_have_count(1)
    plain.get_by_role("button", name="Retry the transmission").click()
    expect(plain.locator("#toasts")).to_contain_text("Sent again and accepted by the License Server.")
    plain.wait_for_url(re.compile("state=rejected"))


def test_the_appearance_is_chosen(ready: Console, plain: Page) -> None:
    plain.goto(ready.tab)
    plain.get_by_label("Appearance").select_option("dark")
    plain.get_by_role("button", name="Apply").click()
    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")

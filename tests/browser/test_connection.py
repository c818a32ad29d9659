"""Configuring the License Server connection: the key, Show, Test Connection, Save."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.schedule import Frequency
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import PASSWORD, Console, Deployed
from tests.browser.visitor import Faults, Look, picture, visit
from tests.support.license_server import API_KEY, Trouble, reply

OTHER_KEY = "ck_test_another_key_0123456789"


def test_an_api_key_is_entered_tested_and_saved(console: Console, page: Page) -> None:
    page.goto(console.settings)
    expect(page.locator("#server-badge")).to_have_text("License Server: not configured")
    page.get_by_label("API Key", exact=True).fill(API_KEY)
    page.locator("#test").click()
    expect(page.locator("#connection-test")).to_contain_text("Connection is working correctly.")
    expect(page.locator("#connection-test")).to_contain_text("Save to keep it.")
    page.locator("#save").click()
    expect(page.locator("#toasts")).to_contain_text("API key saved.")
    expect(page.locator("#api_key-hint")).to_contain_text(f"ends in {API_KEY[-4:]}")
    expect(page.locator("#api_key")).to_have_count(0)
    expect(page.locator("#replace")).to_be_focused()
    expect(page.locator("#server-badge")).to_have_text("License Server: connected")
    assert API_KEY not in page.content()


def test_a_test_ticks_each_step_with_its_time(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.locator("#test").click()
    steps = page.locator("#connection-test .step")
    expect(steps).to_have_count(6)
    for step, name in zip(steps.all(), ("Name", "TCP", "TLS", "Certificate", "Response", "API key"), strict=True):
        expect(step).to_contain_text(name)
        expect(step).to_contain_text("passed")
        expect(step).to_contain_text(re.compile(r"\d+(\.\d+)? m?s"))
    expect(page.locator('[data-step="tls"]')).to_contain_text("TLSv1.3")
    expect(page.locator("#connection-test-result")).to_be_focused()
    assert ready.noted(Kind.CONNECTION_TESTED)
    picture(page, "test-connection")


@pytest.mark.parametrize("deployed", [Deployed(limits=ExchangeLimits(deadline=timedelta(seconds=60)))], ids=["patient"])
def test_each_step_is_shown_when_it_begins(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    ready.server.server.stop_accepting()
    page.locator("#test").click()
    try:
        expect(page.locator('[data-step="tls"]')).to_contain_text("trying")
        expect(page.locator('[data-step="tcp"]')).to_contain_text("passed")
        expect(page.locator('[data-step="certificate"]')).to_contain_text("waiting")
        expect(page.locator("#connection-test")).to_contain_text("Testing the connection.")
        expect(page.locator("#test")).to_have_attribute("aria-busy", "true")
    finally:
        ready.server.server.start_accepting()
    expect(page.locator('[data-step="api_key"]')).to_contain_text("passed")
    expect(page.locator("#connection-test")).to_contain_text("Connection is working correctly.")
    expect(page.locator("#connection-test")).not_to_contain_text("Testing the connection")
    expect(page.locator("#connection-test-result")).to_be_focused()


@pytest.mark.parametrize("deployed", [Deployed(limits=ExchangeLimits(deadline=timedelta(seconds=60)))], ids=["patient"])
def test_a_long_test_does_not_block_saving(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    ready.server.server.stop_accepting()
    page.locator("#test").click()
    try:
        expect(page.locator('[data-step="tls"]')).to_contain_text("trying")
        page.get_by_label("Weekly").check()
        page.locator("#save-all").click()
        expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    finally:
        ready.server.server.start_accepting()
    expect(page.locator("#connection-test-result")).to_contain_text("Connection is working correctly.")


def test_a_failed_test_says_which_step_why_and_whose_turn_it_is(ready: Console, page: Page) -> None:
    ready.set_key(OTHER_KEY)
    page.goto(ready.settings)
    page.locator("#test").click()
    expect(page.locator("#connection-test")).to_contain_text("Failed")
    expect(page.locator('[data-step="certificate"]')).to_contain_text("passed")
    expect(page.locator('[data-step="api_key"]')).to_contain_text("Check the API key failed")
    expect(page.locator("#connection-test")).to_contain_text("Verify that the API key is correct and not expired")
    expect(page.locator("#connection-test")).to_contain_text("Control Core administrator")
    expect(page.locator("#connection-test")).to_contain_text("backend logs (the service’s stderr)")
    expect(page.locator("#server-badge")).to_have_text("License Server: not connected")
    picture(page, "test-connection-failed")


def test_a_firewall_in_the_way_is_named_as_such(ready: Console, page: Page) -> None:
    ready.server.server.refuse()
    page.goto(ready.settings)
    page.locator("#test").click()
    expect(page.locator('[data-step="name"]')).to_contain_text("passed")
    expect(page.locator('[data-step="tcp"]')).to_contain_text("failed")
    expect(page.locator('[data-step="tls"]')).to_contain_text("not tried")
    expect(page.locator("#connection-test")).to_contain_text("firewall, proxy settings")


def replace_key(page: Page, key: str) -> None:
    """Open the field for a new key, and type it."""
    page.locator("#replace").click()
    expect(page.locator("#api_key")).to_be_focused()
    page.locator("#api_key").fill(key)


def test_a_malformed_key_is_refused_in_place_and_not_repeated(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.get_by_label("Weekly").check()
    replace_key(page, "too short")
    page.locator("#save").click()
    expect(page.locator("#api_key-wrong")).to_contain_text("16–256 letters, digits, or symbols")
    field = page.locator("#api_key")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("")
    expect(page.get_by_label("Weekly")).to_be_checked()
    assert "too short" not in page.content()
    field.fill(OTHER_KEY)  # Another key: nothing said about the one before holds for it.
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#api_key-wrong")).to_have_count(0)
    page.locator("#test").click()
    expect(page.locator("#connection-test")).to_contain_text("Failed")
    field.press("End")
    field.press("x")
    expect(page.locator("#connection-test")).to_be_empty()


def test_replacing_the_key_saves_the_key_and_nothing_else(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.get_by_label("Weekly").check()
    replace_key(page, OTHER_KEY)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#replace")).to_be_focused()
    replace_key(page, OTHER_KEY)
    page.locator("#save").click()
    expect(page.locator("#toasts")).to_contain_text("API key saved.")
    configuration = read_now(ready.runtime, read_configuration)
    assert configuration.values.frequency is Frequency.TWICE_MONTHLY
    assert configuration.stored.api_key is not None
    assert configuration.stored.api_key.hint == OTHER_KEY[-4:]
    expect(page.get_by_label("Weekly")).to_be_checked()
    page.locator("#save-all").click()  # The key that was saved beside it makes the form not stale.
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    assert read_now(ready.runtime, read_configuration).values.frequency is Frequency.WEEKLY


def test_a_half_typed_key_survives_a_save_of_the_settings(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    replace_key(page, "half-typ")
    page.get_by_label("Weekly").check()
    page.locator("#save-all").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    expect(page.locator("#api_key")).to_have_value("half-typ")
    configuration = read_now(ready.runtime, read_configuration)
    assert configuration.stored.api_key is not None
    assert configuration.stored.api_key.hint == API_KEY[-4:]


def test_show_reveals_the_key_notes_it_and_hides_it_again(ready: Console, page: Page) -> None:
    page.clock.install()
    page.goto(ready.settings)
    page.locator("#show").click()
    expect(page.locator("#revealed-key-text")).to_have_text(API_KEY)
    expect(page.locator("#revealed-key-text")).to_be_focused()
    assert ready.noted(Kind.KEY_REVEALED)
    page.clock.run_for(31_000)
    expect(page.locator("#revealed-key-text")).to_have_count(0)
    assert API_KEY not in page.content()
    expect(page.locator("#show")).to_be_focused()


def test_show_asks_for_the_password_where_the_login_is_not_recent(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    ready.clock.advance(minutes=11)
    page.locator("#show").click()
    expect(page.locator("#relogin-dialog")).to_be_visible()
    expect(page.get_by_role("textbox", name="Password")).to_be_focused()
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Show the API key").click()
    expect(page.locator("#relogin-wrong")).to_have_text("Incorrect password.")
    assert page.locator("#revealed-key-text").count() == 0
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Show the API key").click()
    expect(page.locator("#revealed-key-text")).to_have_text(API_KEY)
    expect(page.locator("dialog")).to_have_count(0)


def test_the_key_can_be_copied(browser: Browser, ready: Console) -> None:
    with visit(browser, ready, Look()) as (page, _):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(ready.settings)
        page.locator("#show").click()
        page.get_by_role("button", name="Copy the API key").click()
        expect(page.locator("[data-revealed]")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == API_KEY


def test_removing_the_key_asks_first_and_says_what_stops(ready: Console, page: Page) -> None:
    ready.server.server.refuse()
    ready.send()
    ready.report(3)
    page.goto(ready.settings)
    page.get_by_label("Weekly").check()
    page.locator("#remove-key").click()
    dialog = page.get_by_role("dialog", name="Remove the API key?")
    expect(dialog).to_contain_text(f"ending in {API_KEY[-4:]}")
    expect(dialog).to_contain_text("no scheduled runs, retries, or Send Now")
    expect(dialog).to_contain_text("1 waiting payload is kept and will be sent once a new key is saved.")
    expect(dialog.get_by_text("Cancel")).to_be_focused()
    picture(page, "remove-key")
    page.keyboard.press("Escape")
    expect(page.locator("#remove-key")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the API key").click()
    expect(page.locator("#toasts")).to_contain_text("API key removed.")
    expect(page.locator("#server-badge")).to_have_text("License Server: not configured")
    expect(page.locator("#remove-key")).to_have_count(0)
    expect(page.locator("#api_key")).to_be_focused()
    assert ready.noted(Kind.KEY_REMOVED)
    expect(page.get_by_label("Weekly")).to_be_checked()  # What was chosen besides is neither saved nor lost.
    expect(page.locator("[data-save-bar]")).to_contain_text(
        "1 unsaved change: Transmission Frequency.", use_inner_text=True
    )
    configuration = read_now(ready.runtime, read_configuration)
    assert configuration.stored.api_key is None
    assert configuration.values.frequency is Frequency.TWICE_MONTHLY


def test_a_payload_that_waited_goes_out_under_the_next_key(ready: Console, page: Page) -> None:
    ready.server.trouble(Trouble(before=reply(422), times=1))
    ready.send()
    page.goto(ready.settings)
    page.locator("#remove-key").click()
    page.get_by_role("button", name="Remove the API key").click()
    expect(page.locator("#toasts")).to_contain_text("API key removed.")
    page.get_by_label("API Key", exact=True).fill(API_KEY)
    page.locator("#save").click()
    expect(page.locator("#toasts")).to_contain_text("API key saved.")
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("button", name="Retry the transmission").click()
    expect(page.locator("#toasts")).to_contain_text("Sent again and accepted")


def test_a_session_that_has_ended_leads_to_the_login(ready: Console, page: Page, faults: Faults) -> None:
    faults.expected_statuses.add(401)
    page.goto(ready.settings)
    ready.clock.advance(hours=13)
    page.locator("#test").click()
    page.wait_for_url(re.compile(r"/login"))
    faults.found = [text for text in faults.found if "Response Status Error Code 401" not in text]
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Your session expired")


def test_log_in_and_out(browser: Browser, console: Console) -> None:
    with visit(browser, console, Look(logged_in=False)) as (page, faults):
        faults.expected_statuses.add(401)
        page.goto(console.url)
        picture(page, "login")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password", exact=True).fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#login-wrong")).to_have_text("Incorrect name or password.")
        expect(page.get_by_label("Name")).to_have_value("admin")
        expect(page.get_by_label("Password", exact=True)).to_be_focused()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(console.tab)
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(console.tab)
        page.wait_for_url(re.compile(r"/login\?next=/settings/general/telemetry$"))

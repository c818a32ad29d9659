"""What the tab shows where something cannot be done: a page, a toast, and never a bare document."""

from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.console import Console, Deployed, transmission_url
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Faults, Look, log_in, visit
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock

OTHER_KEY = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="


def test_an_unknown_transmission_has_a_page_that_says_so(ready: Console, page: Page, faults: Faults) -> None:
    faults.expected_statuses.add(404)
    page.goto(transmission_url(ready, uuid4()))
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("link", name="Back to Telemetry").click()
    expect(page.locator("#health")).to_be_visible()


@pytest.mark.parametrize("address", ["/history/not-an-id", "/nothing/here"])
def test_an_address_that_leads_nowhere_has_a_page_too(ready: Console, page: Page, faults: Faults, address: str) -> None:
    faults.expected_statuses.add(404)
    page.goto(ready.tab + address)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


def test_a_run_that_made_no_payload_is_named_in_the_header(console: Console, page: Page) -> None:
    console.tick()
    log_in(page.context, console)
    page.goto(console.tab)
    expect(page.locator("#health")).to_contain_text("The latest run created no payload")
    expect(page.locator("#health")).to_contain_text("It runs again once an API key is saved.")
    expect(page.locator("#history")).to_contain_text("Then the missed run is repeated, and sends the first payload")
    console.set_key()
    page.reload()
    expect(page.locator("#health")).to_contain_text("The run missed on 15 Nov 2026, 02:00 UTC is starting.")
    expect(page.locator("#health")).to_contain_text("Makes up for the missed run")
    expect(page.locator("#history")).to_contain_text("The missed run is starting now")


def test_a_retry_of_what_was_accepted_meanwhile_says_so(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    log_in(page.context, ready)
    page.goto(ready.tab)
    ready.retry_all()
    page.get_by_role("button", name="Retry the transmission").click()
    expect(page.locator("#toasts")).to_contain_text("has already accepted this transmission")


def test_a_form_without_its_proof_of_origin_is_refused_with_a_page(browser: Browser, ready: Console) -> None:
    with visit(browser, ready, Look(javascript=False)) as (page, faults):
        faults.expected_statuses.add(403)
        page.goto(ready.settings)
        log_in(page.context, ready)
        page.locator("#save-all").click()
        expect(page.locator("main")).to_contain_text("the session has ended. Reload the page")


def test_a_service_that_does_not_respond_is_reported(ready: Console, page: Page, faults: Faults) -> None:
    page.goto(ready.settings)
    page.route("**/test-connection", lambda route: route.abort())
    page.locator("#test").click()
    expect(page.locator("#toasts")).to_contain_text("did not respond")
    expect(page.locator("#test")).not_to_have_attribute("aria-busy", "true")
    faults.found.clear()


@pytest.mark.parametrize("button", ["#test", "#save-all"])
def test_a_clicked_button_waits_for_its_response(ready: Console, page: Page, button: str) -> None:
    asked: list[str] = []
    page.goto(ready.settings)

    def respond_late(_route: object) -> None:
        asked.append(button)

    page.route("**/telemetry/*", respond_late)
    with page.expect_request("**/telemetry/*"):
        page.locator(button).click()
    expect(page.locator(button)).to_have_attribute("aria-busy", "true")
    page.locator(button).click(force=True)
    page.locator(button).press("Enter")
    page.wait_for_timeout(200)  # So that what was asked, once or twice, has come here.
    assert len(asked) == 1
    page.unroute_all(behavior="ignoreErrors")


def test_a_key_that_cannot_be_opened_names_the_encryption_key(
    browser: Browser, ready: Console, sqlite_url: str, clock: SharedClock, server: LicenseServer
) -> None:
    deployed = Deployed(environment={"ENCRYPTION_KEY": OTHER_KEY})
    with (
        Console(sqlite_url, clock, server, deployed) as other,
        visit(browser, other, Look()) as (page, _),
    ):
        page.goto(other.tab)
        expect(page.locator("#health-title")).to_have_text("Not Configured")
        expect(page.locator("#preview")).to_contain_text("ENCRYPTION_KEY")
        page.goto(other.settings)
        page.locator("#show").click()
        expect(page.locator("#revealed-key")).to_contain_text("cannot be decrypted with this ENCRYPTION_KEY")
        page.locator("#test").click()
        expect(page.locator("#connection-test")).to_contain_text("enter the API key, check the settings, and save")
        assert ready.server.journal() == ()


def test_a_fault_is_said_once_and_goes_when_it_is_overcome(ready: Console, page: Page, faults: Faults) -> None:
    page.goto(ready.settings)
    page.route("**/save", lambda route: route.abort())
    page.get_by_role("radio", name="Monthly", exact=True).check()
    for _ in range(2):
        page.locator("#save-all").click()
        expect(page.locator("#save-all")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-toast]")).to_have_count(1)
    expect(page.locator("[data-toast]")).to_contain_text("did not respond")
    page.unroute_all()
    page.locator("#save-all").click()
    expect(page.locator("[data-toast]")).to_have_count(1)
    expect(page.locator("[data-toast]")).to_contain_text("Settings saved.")
    faults.found.clear()

"""Leaving the settings: nothing is lost without a question, and what comes back is what is saved."""

import pytest
from playwright.sync_api import Dialog, Page, expect

from telemetry_service.domain.schedule import Frequency
from tests.browser.console import Console, Deployed


def answer(page: Page, *, leave: bool) -> list[str]:
    """Answer the browser's next question, and return a list that its kind is added to."""
    asked: list[str] = []

    def decide(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if leave:
            dialog.accept()
        else:
            dialog.dismiss()

    page.once("dialog", decide)
    return asked


def test_unsaved_changes_are_not_left_without_a_question_and_back_shows_what_is_saved(
    ready: Console, page: Page
) -> None:
    page.goto(ready.settings)
    page.get_by_role("switch", name="Enable Telemetry").uncheck()
    page.get_by_role("radio", name="Monthly", exact=True).check()
    stayed = answer(page, leave=False)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("[data-save-bar]")).to_contain_text("2 unsaved changes: Enable Telemetry, Transmission Freq")
    assert stayed == ["beforeunload"]
    left = answer(page, leave=True)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#health")).to_be_visible()
    assert left == ["beforeunload"]
    page.go_back()
    expect(page.get_by_role("switch", name="Enable Telemetry")).to_be_checked()
    expect(page.get_by_label("Twice monthly")).to_be_checked()
    expect(page.locator("[data-dirty]")).to_have_count(0)


def test_a_page_out_of_the_browsers_cache_shows_what_is_saved_or_is_marked_as_unsaved(
    ready: Console, page: Page
) -> None:
    back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    page.goto(ready.settings)
    ready.configure(frequency=Frequency.WEEKLY)
    page.evaluate(back)
    expect(page.get_by_label("Weekly")).to_be_checked()
    page.get_by_role("radio", name="Monthly", exact=True).check()
    page.evaluate(back)
    expect(page.locator("[data-save-bar]")).to_contain_text("1 unsaved change: Transmission Frequency")
    page.get_by_label("Weekly").check()
    expect(page.locator("[data-dirty]")).to_have_count(0)


def test_a_typed_key_is_not_left_without_a_question_and_what_is_saved_or_discarded_is(
    ready: Console, page: Page
) -> None:
    page.goto(ready.settings)
    page.locator("#replace").click()
    page.locator("#api_key").fill("half-typ")
    asked = answer(page, leave=False)
    page.get_by_role("link", name="Proof").click()
    expect(page.locator("#api_key")).to_have_value("half-typ")
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Weekly").check()
    none = answer(page, leave=False)
    page.get_by_role("link", name="Discard").click()
    expect(page.get_by_label("Twice monthly")).to_be_checked()
    page.get_by_label("Weekly").check()
    page.locator("#save-all").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#health")).to_be_visible()
    assert none == []


def test_saving_keeps_the_place_and_the_focus(ready: Console, page: Page) -> None:
    ready.configure(frequency=Frequency.DAILY)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(ready.settings)
        page.get_by_label("Weekly" if width == 390 else "Monthly", exact=True).check()
        page.locator("#save-all").focus()
        before = page.evaluate("scrollY")
        page.keyboard.press("Enter")
        expect(page.locator("#toasts")).to_contain_text("Settings saved.")
        expect(page.locator("#save-all")).to_be_focused()
        assert abs(page.evaluate("scrollY") - before) < 5, width


def test_the_views_have_addresses_and_the_breadcrumbs_lead_somewhere(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    for view, path in (("Settings", "/settings"), ("Activity", "/activity"), ("Proof", "/proof"), ("Overview", "")):
        page.get_by_label("Views of Telemetry").get_by_role("link", name=view).click()
        page.wait_for_url(ready.tab + path)
        expect(page.get_by_label("Views of Telemetry").locator("[aria-current=page]")).to_have_text(view)
    for crumb in ("Settings", "General"):
        page.goto(f"{ready.tab}/proof")
        page.get_by_label("Breadcrumbs").get_by_role("link", name=crumb).click()
        page.wait_for_url(ready.tab)


@pytest.mark.parametrize("deployed", [Deployed(environment={"TELEMETRY_CONSOLE_URL": "https://console.example/cc"})])
def test_the_breadcrumbs_lead_to_the_console_where_the_deployment_names_it(console: Console, page: Page) -> None:
    page.goto(console.settings)
    crumbs = page.get_by_label("Breadcrumbs").get_by_role("link")
    expect(crumbs).to_have_text(["Settings", "General", "Telemetry"])
    addresses = [link.get_attribute("href") for link in crumbs.all()]
    assert addresses == [
        "https://console.example/cc/settings",
        "https://console.example/cc/settings/general",
        "/settings/general/telemetry",
    ]


def test_a_page_that_the_browser_kept_is_brought_up_to_date_when_it_comes_back(ready: Console, page: Page) -> None:
    comes_back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    page.goto(ready.settings)
    ready.configure(frequency=Frequency.DAILY)
    page.evaluate(comes_back)
    expect(page.get_by_label("Daily")).to_be_checked()
    page.goto(ready.tab)
    with page.expect_request("**/live"):
        page.evaluate(comes_back)
    page.goto(f"{ready.tab}/access")
    with page.expect_navigation():
        page.evaluate(comes_back)

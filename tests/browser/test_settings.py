"""Transmission settings, security settings and retention, saved in one step."""

import re

import pytest
from playwright.sync_api import Page, expect

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import Console, Deployed
from tests.browser.visitor import log_in, picture
from tests.support.each import each


def saved(page: Page) -> None:
    """Save, and wait until that is said."""
    page.locator("#save-all").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")


@pytest.mark.parametrize(
    ("label", "frequency", "next_run", "dates"),
    [
        ("Weekly", Frequency.WEEKLY, "9 Nov 2026, 02:00 UTC", ["Mon 9 Nov 2026", "Mon 16 Nov 2026", "Mon 23 Nov 2026"]),
        ("Monthly", Frequency.MONTHLY, "1 Dec 2026, 02:00 UTC", ["Tue 1 Dec 2026", "Fri 1 Jan 2027", "Mon 1 Feb 2027"]),
        ("Daily", Frequency.DAILY, "4 Nov 2026, 02:00 UTC", ["Wed 4 Nov 2026", "Thu 5 Nov 2026", "Fri 6 Nov 2026"]),
    ],
)
def test_a_frequency_shows_its_next_dates_and_takes_effect_at_once(
    ready: Console, page: Page, label: str, frequency: Frequency, next_run: str, dates: list[str]
) -> None:
    page.goto(ready.settings)
    expect(page.get_by_label("Twice monthly")).to_be_checked()
    card = page.locator(".choice").filter(has=page.get_by_label(label, exact=True))
    for date in dates:
        expect(card).to_contain_text(date)
    page.locator(f"[name=frequency][value={frequency}]").check()
    expect(page.locator("[data-save-bar]")).to_contain_text("1 unsaved change: Transmission Frequency.")
    saved(page)
    assert read_now(ready.runtime, read_configuration).stored.values.frequency is frequency
    assert ready.noted(Kind.SETTINGS)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#health")).to_contain_text(next_run)


def test_switching_telemetry_off_asks_first_and_says_what_stops(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.get_by_role("switch", name="Enable Telemetry").uncheck()
    expect(page.locator("[data-save-bar]")).to_contain_text("1 unsaved change: Enable Telemetry.")
    page.locator("#save-all").click()
    dialog = page.get_by_role("dialog", name="Turn telemetry off?")
    expect(dialog).to_contain_text("nothing contacts the License Server")
    expect(dialog).to_contain_text("audit events) will never be sent")
    expect(dialog).to_contain_text("No payload is waiting.")
    expect(dialog).to_contain_text("feature gating is disabled")
    expect(dialog.get_by_text("Cancel")).to_be_focused()
    picture(page, "switch-off")
    dialog.get_by_text("Cancel").click()
    assert read_now(ready.runtime, read_configuration).stored.values.enabled
    page.locator("#save-all").click()
    page.get_by_role("button", name="Turn off and save").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    expect(page.locator("#save-all")).to_be_focused()
    expect(page.locator("#enabled-hint")).to_contain_text("anything counted while it is off is never sent")
    expect(page.locator("#server-badge")).to_have_text("License Server: not contacted while off")
    for button in ("test", "send-now"):
        expect(page.locator(f"#{button}")).to_be_disabled()
        expect(page.locator(f"#{button}-barred")).to_contain_text("Telemetry is off")
    page.get_by_role("switch", name="Enable Telemetry").check()
    page.locator("#save-all").click()
    expect(page.locator("#test")).to_be_enabled()


@pytest.mark.parametrize("deployed", [Deployed(enabled=False)], ids=["locked"])
def test_a_deployment_that_locks_telemetry_off_says_so(console: Console, page: Page) -> None:
    page.goto(console.settings)
    expect(page.get_by_role("switch", name="Enable Telemetry")).to_be_disabled()
    expect(page.locator("#enabled-locked")).to_contain_text("TELEMETRY_ENABLED=false")
    page.get_by_label("Daily").check()
    saved(page)
    stored = read_now(console.runtime, read_configuration).stored.values
    assert stored.enabled
    assert stored.frequency is Frequency.DAILY


@each(
    ("switch", "name"), [("Enable Data Encryption", "encrypt_payload"), ("Enable PII Anonymization", "anonymize_pii")]
)
def test_encryption_and_anonymization_are_switched(ready: Console, page: Page, switch: str, name: str) -> None:
    page.goto(ready.settings)
    expect(page.get_by_role("switch", name=switch)).to_be_checked()
    page.get_by_role("switch", name=switch).uncheck()
    saved(page)
    assert getattr(read_now(ready.runtime, read_configuration).stored.values, name) is False
    expect(page.get_by_role("switch", name=switch)).not_to_be_checked()


def test_anonymization_shows_the_customer_id_before_and_after(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    sample = page.locator("#security .compare").nth(1)
    expect(sample).to_contain_text("cus_Nq4Rz7WkX2")
    expect(sample).to_contain_text("anon_")
    expect(page.locator("#security .compare").nth(0)).to_contain_text("application/jose")


def test_a_shorter_retention_says_how_many_rows_it_deletes_and_asks(ready: Console, page: Page) -> None:
    ready.send()
    ready.clock.advance(days=20)
    log_in(page.context, ready)
    page.goto(ready.settings)
    card = page.locator(".choice", has_text="7 days").first
    expect(card).to_contain_text("Deletes")
    expect(card).to_contain_text("rows of older data")
    page.get_by_label("7 days").check()
    page.locator("#save-all").click()
    dialog = page.get_by_role("dialog", name="Delete older data?")
    expect(dialog).to_contain_text("rows will be deleted")
    expect(dialog).to_contain_text("Everything older than 7 days")
    page.get_by_role("button", name="Save and delete").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    assert read_now(ready.runtime, read_configuration).stored.values.retention_days == 7


@each("days", [90, 365])
def test_a_longer_retention_is_saved_without_a_question(ready: Console, page: Page, days: int) -> None:
    page.goto(ready.settings)
    page.get_by_label(f"{days} days").check()
    saved(page)
    assert read_now(ready.runtime, read_configuration).stored.values.retention_days == days


def test_a_stale_save_is_refused_keeps_what_was_typed_and_shows_the_difference(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.get_by_label("Daily").check()
    ready.configure(frequency=Frequency.WEEKLY, retention_days=90)
    page.locator("#save-all").click()
    stale = page.locator("#stale")
    expect(stale).to_be_focused()
    expect(stale).to_contain_text("these settings were changed elsewhere")
    expect(stale.locator("tr", has_text="Transmission Frequency")).to_have_text(re.compile(r"Weekly\s+Daily"))
    expect(stale.locator("tr", has_text="Local Data Retention")).to_have_count(0)
    expect(page.get_by_label("Daily")).to_be_checked()
    expect(page.get_by_label("90 days")).to_be_checked()
    expect(page.locator("[data-save-bar]")).to_contain_text("unsaved change", use_inner_text=True)
    assert read_now(ready.runtime, read_configuration).stored.values.frequency is Frequency.WEEKLY
    picture(page, "stale-save")
    saved(page)
    values = read_now(ready.runtime, read_configuration).stored.values
    assert (values.frequency, values.retention_days) == (Frequency.DAILY, 90)


def test_the_chosen_appearance_is_kept(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    with page.expect_response("**/appearance"):
        page.get_by_label("Appearance").select_option("dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_times_are_shown_in_utc_or_in_local_time_and_always_with_their_zone(ready: Console, page: Page) -> None:
    ready.send()
    ready.report(1)
    ready.send()
    page.goto(ready.tab)
    date = page.locator("#history tbody time").first
    expect(date).to_have_text("3 Nov 2026, 10:00:00 UTC")
    page.get_by_role("button", name="Local").click()
    expect(date).to_have_text("3 Nov 2026, 11:00:00 CET")
    page.reload()
    expect(date).to_have_text("3 Nov 2026, 11:00:00 CET")
    expect(page.locator(".strip a").first).to_have_attribute("title", "3 Nov 2026, 11:00 CET: Success")
    date.click()
    expect(page.locator("#drawer")).to_contain_text("Attempts")
    # In sentences and in names, too. Only days, and what was sent, are in UTC.
    left = "[document.body.innerText, ...document.querySelectorAll('[title]')].map((it) => it.title ?? it).join()"
    assert re.findall(r"\d{4}, \d\d:\d\d(?::\d\d)? UTC", page.evaluate(left)) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="UTC").click()
    expect(date).to_have_text("3 Nov 2026, 10:00:00 UTC")


def test_a_save_that_changes_nothing_says_so(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    page.locator("#save-all").click()
    expect(page.locator("#toasts")).to_contain_text("No changes to save.")
    assert not ready.noted(Kind.SETTINGS)


@each("width", [320, 1280])
def test_the_floating_bar_covers_no_result(ready: Console, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(ready.settings)
    page.get_by_role("radio", name="Monthly", exact=True).check()
    page.locator("#test").click()
    result, bar = page.locator("#connection-test-result"), page.locator("[data-dirty]")
    expect(result).to_be_focused()
    covered = """([result, bar]) => result.getBoundingClientRect().bottom - bar.getBoundingClientRect().top"""
    assert page.evaluate(covered, [result.element_handle(), bar.element_handle()]) <= 0

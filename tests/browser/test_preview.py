"""The current period's preview and the exact payload."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from telemetry_service.domain.dictionary import field_dictionary
from tests.browser.console import Console, Deployed
from tests.browser.test_keyboard import tab_to
from tests.browser.visitor import log_in, picture
from tests.support.each import each


def figure(page: Page, name: str) -> str:
    """Return a figure of the preview."""
    return page.locator("#preview .figures > div", has_text=name).locator("dd").first.inner_text()


def test_the_preview_shows_the_six_figures_of_the_open_period(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    production = 40 + 57 + 74
    sandbox = 57 // 4 + 74 // 4
    assert figure(page, "Total Events") == str(production + sandbox)
    assert figure(page, "Sandbox Events") == str(sandbox)
    assert figure(page, "Production Events") == str(production)
    assert figure(page, "Active Bouncers") == "5"
    assert figure(page, "Policy Decisions") == str(production - 15 + 57 // 5 + 74 // 5)
    assert figure(page, "Health Status") == "Warning"
    expect(page.locator("#preview")).to_contain_text("5 registered")


def test_the_chart_says_in_words_what_it_draws(ready: Console, page: Page) -> None:
    ready.clock.advance(days=2)
    ready.report(3, scale=10)
    log_in(page.context, ready)
    page.goto(ready.tab)
    chart = page.get_by_role("img", name=re.compile("Audit events per UTC day"))
    expect(chart).to_have_accessible_name(re.compile("over 3 days, most on 5 Nov 2026"))
    page.get_by_text("Show as table").click()
    rows = page.locator(".chart tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_have_text(re.compile(r"4 Nov 2026\s*0\s*0"))


def test_the_chart_reads_out_a_day_to_pointer_and_keyboard_and_hatches_today(ready: Console, page: Page) -> None:
    ready.clock.advance(days=2)
    ready.report(3, scale=10)
    log_in(page.context, ready)
    page.goto(ready.tab)
    reading, today = page.locator("#chart-reading"), "5 Nov 2026, so far: 1,710 production, 327 sandbox"
    expect(reading).to_contain_text("Most on 5 Nov 2026")
    page.locator("[data-bar] .column").first.hover()
    expect(reading).to_have_text("3 Nov 2026: 171 production, 32 sandbox")
    page.locator("#preview-title").hover()
    expect(reading).to_contain_text("Most on")
    tab_to(page, "chart-plot")
    for key, said in (("ArrowLeft", today), ("ArrowLeft", "4 Nov 2026: 0 production, 0 sandbox"), ("End", today)):
        page.keyboard.press(key)
        expect(reading).to_have_text(said)
    page.keyboard.press("Tab")
    expect(reading).to_contain_text("Most on")
    expect(page.locator("[fill^='url(#today']")).to_have_count(2)
    expect(page.locator(".legend")).to_contain_text("Today, so far")


def test_without_bouncers_zero_values_are_explained(console: Console, page: Page) -> None:
    page.goto(console.tab)
    expect(page.locator("#preview")).not_to_contain_text("Why these values are zero")  # First, the API key.
    console.set_key()
    page.reload()
    assert figure(page, "Total Events") == "0"
    expect(page.locator("#preview")).to_contain_text("Why these values are zero")
    expect(page.locator("#preview")).to_contain_text("No bouncers are configured.")


def test_bouncers_that_are_silent_are_named_as_the_cause_of_zeros(console: Console, page: Page) -> None:
    console.set_key()
    console.register_pairs(1)
    page.goto(console.tab)
    expect(page.locator("#preview")).to_contain_text("A new period just started")
    expect(page.locator("#preview")).not_to_contain_text("verify that they are active")
    console.clock.advance(hours=1)
    page.reload()
    expect(page.locator("#preview")).not_to_contain_text("just started")
    expect(page.locator("#preview")).to_contain_text("1 bouncer registered, but no usage was counted")
    expect(page.locator("#preview")).to_contain_text("check that policies are being evaluated")
    expect(page.locator("#preview")).to_contain_text("check the backend logs for aggregation errors")


def test_the_exact_payload_is_shown_field_by_field_with_the_dictionary(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    page.locator("#view-payload").click()
    dialog = page.get_by_role("dialog", name="Exact payload")
    expect(dialog).to_be_visible()
    shown = json.loads(page.locator("#payload-json").inner_text())
    for entry in field_dictionary():
        if isinstance(entry.example, dict):
            continue
        field = dialog.locator(f'[data-field="{entry.name}"]')
        expect(field).to_contain_text(entry.meaning)
        expect(field).to_contain_text(entry.why)
    assert shown["customer_id"].startswith("anon_")
    assert shown["total_events"] == 203
    expect(page.locator("#payload-sealed")).to_contain_text("eyJ")
    expect(dialog).to_contain_text("encrypted with AES-256-GCM")
    expect(dialog).to_contain_text("No payload has been accepted yet, so there is nothing to compare with.")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#view-payload")).to_be_focused()


def test_the_payload_shows_what_differs_from_the_last_accepted_one(ready: Console, page: Page) -> None:
    ready.send()
    ready.report(3, scale=2)
    page.goto(ready.tab)
    page.locator("#view-payload").click()
    expect(page.locator('[data-field="total_events"]')).to_contain_text("changed")
    expect(page.locator('[data-field="total_events"]')).to_contain_text("before: 203")
    expect(page.locator('[data-field="instance_id"]')).not_to_contain_text("changed")
    picture(page, "payload")


def test_the_payload_can_be_downloaded_in_its_canonical_form(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    page.locator("#view-payload").click()
    with page.expect_download() as download:
        page.locator("#payload-dialog").get_by_role("link", name="Download").click()
    content = download.value.path().read_bytes()
    assert json.loads(content)["total_events"] == 203
    assert b"\n" not in content


@pytest.mark.parametrize("deployed", [Deployed(enabled=False)], ids=["off"])
def test_the_preview_works_while_telemetry_is_off(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    assert figure(page, "Total Events") == "203"
    expect(page.locator("#preview")).to_contain_text("Anything counted while telemetry is off is never sent.")
    page.locator("#view-payload").click()
    expect(page.locator("#payload-dialog")).to_contain_text("Anything counted while telemetry is off is never sent.")


def test_the_exact_payload_has_its_own_address_and_back_closes_it(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    page.locator("#view-payload").click()
    page.wait_for_url(f"{ready.tab}/payload")
    expect(page).to_have_title(re.compile("Exact payload"))
    page.go_back()
    expect(page.locator("#payload-dialog")).to_have_count(0)
    expect(page.locator("#view-payload")).to_be_focused()
    page.go_forward()
    expect(page.get_by_role("dialog", name="Exact payload")).to_be_visible()
    page.reload()
    expect(page.get_by_role("dialog", name="Exact payload")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(ready.tab)
    expect(page.locator("#health")).to_be_visible()


@each("width", [320, 1280])
def test_large_numbers_stand_whole_in_their_place(ready: Console, page: Page, width: int) -> None:
    ready.report(3, scale=100_000_000)
    log_in(page.context, ready)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(ready.tab)
    assert len(figure(page, "Total Events")) > len("1,000,000,000")
    clipped = "figures => figures.filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.textContent)"
    assert page.locator("#preview .figures > div").evaluate_all(clipped) == []

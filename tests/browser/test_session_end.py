"""A session that has ended loses nothing that was typed but secrets, and saves nothing by itself."""

import base64
import json
import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import PASSWORD, Console
from tests.browser.visitor import Faults, Look, log_in, visit
from tests.support.each import each
from tests.support.license_server import API_KEY
from tests.support.running import UNUSED_TLS

TYPED_KEY = "ck_typed_before_the_login_0123"


def log_in_again(page: Page) -> None:
    """Log in at the form, as somebody does whose session has ended."""
    page.wait_for_url(re.compile(r"/login"))
    expect(page.locator("#session-ended")).to_contain_text("Your session expired")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r"/settings/general/telemetry"))


def change(page: Page, console: Console) -> None:
    """Change three settings, type a key, and let the session end."""
    page.goto(console.settings)
    if page.locator("#replace").count():  # Without a key, the field is there at once.
        page.locator("#replace").click()
        expect(page.locator("#api_key")).to_be_visible()  # It moves what is below it.
    page.get_by_label("Daily").check()
    page.get_by_label("90 days").check()
    page.get_by_role("switch", name="Enable PII Anonymization").uncheck()
    page.locator("#api_key").fill(TYPED_KEY)
    console.clock.advance(hours=3)


def came_back(page: Page) -> None:
    """Expect the changes in the form, unsaved, and nothing of the key."""
    notice = page.locator("#resumed")
    expect(notice).to_contain_text("Not saved yet: your session had expired")
    expect(notice).to_be_focused()
    expect(notice.locator("tbody tr")).to_have_count(3)
    expect(notice).to_contain_text("Enter the API key again.")
    expect(page.get_by_label("Daily")).to_be_checked()
    expect(page.get_by_label("90 days")).to_be_checked()
    expect(page.get_by_role("switch", name="Enable PII Anonymization")).not_to_be_checked()
    expect(page.locator("#api_key")).to_have_value("")
    assert TYPED_KEY not in page.content()
    assert TYPED_KEY not in json.dumps(page.context.cookies())


@pytest.mark.parametrize("button", ["#save-all", "#test", "#send-now"])
def test_what_was_changed_comes_back_after_the_login(ready: Console, page: Page, faults: Faults, button: str) -> None:
    change(page, ready)
    before = read_now(ready.runtime, read_configuration).stored
    page.locator(button).click()
    page.wait_for_url(re.compile(r"/login"))
    expect(page.locator("#unsaved-form-kept")).to_contain_text("Your unsaved changes will be restored")
    log_in_again(page)
    came_back(page)
    expect(page.locator("[data-save-bar]")).to_contain_text("3 unsaved changes", use_inner_text=True)
    assert read_now(ready.runtime, read_configuration).stored == before
    page.locator("#save-all").click()
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    values = read_now(ready.runtime, read_configuration).stored.values
    assert (values.frequency, values.retention_days, values.anonymize_pii) == (Frequency.DAILY, 90, False)
    faults.found = [text for text in faults.found if "401" not in text]


@pytest.mark.parametrize("button", ["#save-all", "#test"])
def test_it_comes_back_without_javascript(ready: Console, plain: Page, button: str) -> None:
    change(plain, ready)
    plain.locator(button).click()
    log_in_again(plain)
    came_back(plain)
    plain.locator("#save-all").click()
    expect(plain.locator("#toasts")).to_contain_text("Settings saved.")
    assert read_now(ready.runtime, read_configuration).stored.values.frequency is Frequency.DAILY


def test_it_is_shown_once(ready: Console, plain: Page) -> None:
    change(plain, ready)
    plain.locator("#save-all").click()
    log_in_again(plain)
    came_back(plain)
    plain.goto(ready.settings)
    expect(plain.locator("#resumed")).to_have_count(0)
    expect(plain.get_by_label("Twice monthly")).to_be_checked()


def test_what_somebody_else_saved_in_the_meantime_is_shown_and_not_overwritten(
    browser: Browser, ready: Console
) -> None:
    with visit(browser, ready, Look(javascript=False)) as (page, faults):
        faults.expected_statuses.add(412)
        change(page, ready)
        ready.configure(frequency=Frequency.WEEKLY, encrypt_payload=False)
        page.locator("#save-all").click()
        log_in_again(page)
        stale = page.locator("#stale")
        expect(stale).to_contain_text("these settings were changed elsewhere")
        expect(stale.locator("tr", has_text="Transmission Frequency")).to_have_text(re.compile(r"Weekly\s+Daily"))
        expect(stale.locator("tr", has_text="Data Encryption")).to_have_count(0)
        expect(page.get_by_role("switch", name="Enable Data Encryption")).not_to_be_checked()
        ready.configure(retention_days=365)
        page.locator("#save-all").click()
        expect(page.locator("#stale tr", has_text="Local Data Retention")).to_have_text(
            re.compile(r"365 days\s+90 days")
        )
        assert read_now(ready.runtime, read_configuration).stored.values.frequency is Frequency.WEEKLY


def test_a_form_of_an_earlier_session_comes_back_with_what_was_changed(browser: Browser, ready: Console) -> None:
    for javascript in (True, False):
        with visit(browser, ready, Look(javascript=javascript)) as (page, _):
            change(page, ready)
            log_in(page.context, ready)  # As in another window.
            page.locator("#save-all").click()
            came_back(page)


def test_nothing_is_kept_of_a_form_that_changed_nothing(ready: Console, plain: Page) -> None:
    plain.goto(ready.settings)
    ready.clock.advance(hours=3)
    plain.locator("#save-all").click()
    plain.wait_for_url(re.compile(r"/login"))
    expect(plain.locator("#unsaved-form-kept")).to_have_count(0)
    log_in_again(plain)
    expect(plain.locator("#resumed")).to_have_count(0)


FORM = {
    "version": "1",
    "seen": '{"enabled":true,"frequency":"daily","encrypt_payload":true,"anonymize_pii":true,"retention_days":30}',
    "frequency": "weekly",
    "retention_days": "30",
    "api_key": API_KEY,
}


def test_another_sites_form_leaves_nothing_behind(console: Console) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        response = httpx.post(f"{console.tab}/save", data=FORM, headers=headers, trust_env=False, verify=UNUSED_TLS)
        assert response.status_code == 303
        assert "set-cookie" not in response.headers


def test_the_browser_keeps_no_secret_and_no_text_of_the_forms_own(console: Console) -> None:
    known = {"Cookie": f"telemetry_device={console.device_cookie()}"}
    response = httpx.post(f"{console.tab}/save", data=FORM, headers=known, trust_env=False, verify=UNUSED_TLS)
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    kept = json.loads(from_base64url(response.cookies["telemetry_unsaved_form"].partition(".")[0]))
    assert kept.keys() == {"version", "seen", "typed", "key_typed"}
    assert API_KEY not in json.dumps(kept)
    wrong = FORM | {"frequency": "<b>hourly</b>"}
    refused = httpx.post(f"{console.tab}/save", data=wrong, headers=known, trust_env=False, verify=UNUSED_TLS)
    assert "set-cookie" not in refused.headers


def test_a_stranger_has_no_form_signed(console: Console) -> None:
    session = console.session_cookie()
    for cookies in ({}, {"telemetry_session": session}, {"telemetry_device": "0" * 32 + ".1." + "A" * 43}):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
        console.clock.advance(hours=3)
        response = httpx.post(f"{console.tab}/save", data=FORM, headers=headers, trust_env=False, verify=UNUSED_TLS)
        assert response.status_code == 303
        assert "set-cookie" not in response.headers


def test_a_form_that_was_not_signed_here_is_none(ready: Console, page: Page) -> None:
    values = {"enabled": False, "frequency": "daily", "encrypt_payload": False, "anonymize_pii": False}
    seen = json.loads(FORM["seen"])
    forged = {"version": 1, "seen": seen, "typed": {**values, "retention_days": 7}, "key_typed": False}
    text = to_base64url(json.dumps(forged).encode()).decode()
    for signed in (text, f"{text}.{'A' * 43}"):
        cookies = f"telemetry_session={ready.session_cookie()}; telemetry_unsaved_form={signed}"
        response = page.request.get(ready.settings, headers={"Cookie": cookies})
        assert response.ok
        assert "Not saved" not in response.text()


@each("cookie", ["x", "", "e30", base64.urlsafe_b64encode(b"[1]").decode(), "****", "\u00e4"])
def test_a_cookie_that_is_no_unsaved_form_counts_as_none(ready: Console, page: Page, cookie: str) -> None:
    response = page.request.get(
        ready.settings,
        headers={"Cookie": f"telemetry_session={ready.session_cookie()}; telemetry_unsaved_form={cookie}"},
    )
    assert response.ok
    assert "Not saved" not in response.text()

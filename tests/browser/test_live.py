"""The overview is up to date while one looks at it, and touches nothing that someone is using."""

import re
from time import monotonic

from playwright.sync_api import Page, Route, expect

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Faults, log_in
from tests.support.license_server import NO_TROUBLE, Trouble, reply

WITHIN = 5_000
"""Milliseconds in which each word has to be right, once the service knows better."""


def words_of(page: Page) -> dict[str, str]:
    """Return what a page says about the License Server, each in its place."""
    places = {
        "health": "#health-title",
        "badge": "#health p.badge",
        "waiting": ".facts > div:nth-child(4) dd",
        "figure": "#preview .figures .badge",
        "row": "#history tbody tr:first-child .badge",
        "attempts": "#history tbody tr:first-child td:nth-child(6)",
        "strip": ".strip li:last-child a",
        "chosen": "#chip-1",
        "drawer": "#drawer-status",
    }
    said = "it => it && (it.title || it.innerText).trim().replaceAll(/\\s+/gu, ' ')"
    read = f"places => Object.entries(places).map(([name, at]) => [name, ({said})(document.querySelector(at))])"
    return dict(page.evaluate(read, places))


def expect_words(page: Page, **expected: str) -> None:
    """Expect a page to say all of this within five seconds."""
    deadline = monotonic() + WITHIN / 1000
    while (said := {name: words_of(page).get(name) for name in expected}) != expected:
        assert monotonic() < deadline, (said, expected)
        page.wait_for_timeout(100)


def test_an_outage_and_its_end_are_shown_without_a_reload(ready: Console, page: Page) -> None:
    ready.send()
    page.goto(ready.tab)
    settings = page.context.new_page()
    settings.goto(ready.settings)
    badge = settings.locator("#server-badge")
    first = "3 Nov 2026, 10:00 UTC: "
    connected = {"badge": "License Server: connected", "waiting": "0 payloads", "health": "Healthy"}
    expect_words(page, **connected, figure="Healthy", row="Success", attempts="1")
    expect(badge).to_have_text("License Server: connected")
    ready.server.trouble(Trouble(before=reply(503)))
    ready.report(3)
    ready.send()
    broken = {"badge": "License Server: not connected", "waiting": "1 payload", "health": "Unhealthy"}
    failed = {"row": "Failed", "strip": f"{first}Failed, retrying automatically", "figure": "Unhealthy"}
    expect_words(page, **broken, **failed, attempts="1", chosen="All 2")
    expect(badge).to_have_text("License Server: not connected", timeout=WITHIN)
    expect(page.locator("#health [data-until]")).to_have_text(re.compile(r"in \d+ s"))
    expect(page.get_by_role("link", name="Retrying 1")).to_be_visible()
    ready.clock.advance(minutes=2)
    ready.wake()
    expect_words(page, **broken, **failed, attempts="2")
    page.locator("#history tbody th a").first.click()
    expect_words(page, drawer="Failed retrying automatically")
    page.locator("#digests-1 summary").click()
    ready.server.trouble(NO_TROUBLE)
    ready.clock.advance(minutes=10)
    ready.wake()
    expect_words(
        page, **connected, figure="Healthy", drawer="Success", row="Success", strip=f"{first}Success", attempts="3"
    )
    expect(badge).to_have_text("License Server: connected", timeout=WITHIN)
    expect(page.locator("#drawer .attempt")).to_have_count(3)
    expect(page.locator("#digests-1")).to_have_attribute("open", "")
    expect(page.locator("#proof-line")).to_contain_text("receipt verified now")


def test_what_is_focused_typed_selected_or_open_stays_so(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    ready.report(3)
    page.goto(ready.tab)
    page.get_by_text("Show as table").click()
    page.locator("#filter-from").focus()
    page.keyboard.type("11")  # A date that is not complete has no value yet.
    page.locator("#health-title").select_text()
    ready.report(3, scale=5)
    ready.send()
    expect(page.locator("#history tbody tr")).to_have_count(3, timeout=WITHIN)
    assert page.evaluate("document.getSelection().toString().trim()") == "Healthy"
    expect(page.locator("#filter-from")).to_be_focused()
    page.keyboard.type("112026")
    expect(page.locator("#filter-from")).to_have_value("2026-11-11")
    page.goto(ready.tab)
    page.locator("#history tbody th a").nth(1).focus()
    ready.clock.advance(minutes=1)
    log_in(page.context, ready)
    ready.send()
    expect(page.locator("#history tbody tr")).to_have_count(4, timeout=WITHIN)
    expect(page.locator("#history tbody th a").nth(2)).to_be_focused()


def test_a_service_that_does_not_respond_is_said_once_and_until_it_does(
    ready: Console, page: Page, faults: Faults
) -> None:
    page.goto(ready.tab)

    def fail(route: Route) -> None:
        route.abort()

    page.route("**/live", fail)
    expect(page.locator("#not-live")).to_be_visible(timeout=WITHIN)
    expect(page.locator("[data-toast]")).to_have_count(0)
    page.unroute_all()
    expect(page.locator("#not-live")).to_be_hidden(timeout=WITHIN)
    faults.found.clear()


def test_looking_on_does_not_prolong_the_login(ready: Console, page: Page, faults: Faults) -> None:
    page.goto(ready.tab)
    ready.clock.advance(minutes=119)
    with page.expect_response("**/live"):
        pass
    ready.clock.advance(minutes=2)
    page.wait_for_url(re.compile("/login"))
    faults.found = [text for text in faults.found if "401" not in text]


def test_a_session_that_ends_while_settings_are_changed_loses_none_of_them(
    ready: Console, page: Page, faults: Faults
) -> None:
    page.goto(ready.settings)
    page.get_by_label("Weekly").check()
    ready.clock.advance(minutes=121)
    expect(page.locator("#not-live")).to_contain_text("your session has ended", timeout=WITHIN)
    expect(page.get_by_label("Weekly")).to_be_checked()
    faults.found = [text for text in faults.found if "401" not in text]


def test_a_fresh_installation_is_led_through_three_steps(console: Console, page: Page) -> None:
    page.goto(console.tab)
    steps = page.get_by_role("list", name="First steps").get_by_role("listitem")
    expect(steps).to_have_count(3)
    expect(steps.nth(0)).to_have_attribute("aria-current", "step")
    expect(page.locator(".facts")).to_have_count(0)
    page.get_by_role("link", name="Enter a key").click()
    expect(page.locator("#api_key")).to_be_focused()
    console.set_key()
    page.goto(console.tab)
    expect(steps.nth(0)).to_contain_text("(done)")
    page.get_by_role("link", name="Test Connection").click()
    page.locator("#test").click()
    expect(page.locator("#connection-test")).to_contain_text("Success")
    page.get_by_role("link", name="Overview").click()
    expect(steps.nth(2)).to_have_attribute("aria-current", "step")
    page.locator("#next-send").click()
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#drawer")).to_contain_text("Success")
    expect(steps).to_have_count(0)

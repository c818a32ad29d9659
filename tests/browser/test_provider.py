"""Logging in and out at a real OpenID provider in a real browser, whose policies for forms and cookies apply."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from telemetry_service.web.tab import paths
from tests.browser.visitor import Faults
from tests.support.provider import NEEDS_PROVIDER, OpenIdProviderProcess
from tests.support.real_clock import RealClock
from tests.support.running import Running

pytestmark = NEEDS_PROVIDER

ELSEWHERE = "http://elsewhere.example"


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service at whose provider one logs in, and in no other way."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    public_url = f"http://127.0.0.1:{port}"
    with OpenIdProviderProcess(tmp_path, public_url) as provider:
        ways = {"TELEMETRY_PUBLIC_URL": public_url, "TELEMETRY_LOCAL_LOGIN": "false", "TELEMETRY_ADMIN_PASSWORD": ""}
        environment = provider.environment | ways
        with Running(sqlite_url, environment=environment, clock=RealClock(), port=port) as running:
            yield running


@pytest.fixture
def visitor(browser: Browser, service: Running) -> Iterator[Page]:
    """A browser that takes the provider's certificate; nothing may go wrong on our own pages."""
    ours = str(service.client.base_url)
    context = browser.new_context(base_url=ours, ignore_https_errors=True)
    context.route(lambda address: "//127.0.0.1:" not in address, lambda route: route.abort())  # The provider's fonts.
    page, faults = context.new_page(), Faults()

    def note(said: ConsoleMessage) -> None:
        if said.type == "error" and said.location["url"].startswith(ours):
            faults.note_console(said)

    page.on("console", note)
    page.on("pageerror", faults.note_error)
    yield page
    context.close()
    assert faults.unexpected() == []


def _log_in_at_provider(page: Page) -> None:
    page.fill('input[name="login"]', "ada")
    page.fill('input[name="password"]', "x")
    page.click('button[type="submit"]')


def test_a_person_logs_in_and_out_at_the_provider(visitor: Page) -> None:
    visitor.goto(paths.ACTIVITY)
    expect(visitor.locator("#password")).to_have_count(0)
    visitor.click("#login-provider")
    _log_in_at_provider(visitor)
    visitor.wait_for_url(f"**{paths.ACTIVITY}")
    expect(visitor.locator("header")).to_contain_text("Ada Lovelace")
    visitor.get_by_role("button", name="Log out").click()
    visitor.wait_for_url("https://**/session/end?**")
    visitor.click('button[name="logout"]')
    visitor.wait_for_url(f"**{paths.LOGIN}*")
    visitor.goto(paths.TAB)
    expect(visitor.locator("#login-provider")).to_be_visible()
    visitor.click("#login-provider")
    expect(visitor.locator('input[name="login"]')).to_be_visible()


def test_a3_another_site_opens_no_session_and_ends_none(visitor: Page, service: Running) -> None:
    visitor.goto(paths.TAB)
    visitor.click("#login-provider")
    _log_in_at_provider(visitor)
    visitor.wait_for_url(f"**{paths.TAB}")
    context, here = visitor.context, str(service.client.base_url)
    lure = f'<a id="lure" href="{here}{paths.PROVIDER_LOGIN}?next={paths.ACCESS}">Win a prize</a>'
    context.route(f"{ELSEWHERE}/**", lambda route: route.fulfill(body=lure, content_type="text/html"))

    def follow_the_lure() -> None:
        visitor.goto(f"{ELSEWHERE}/")
        visitor.click("#lure")
        visitor.wait_for_url(f"{here}/**")

    session = context.cookies(here)
    follow_the_lure()
    assert visitor.url == f"{here}{paths.ACCESS}", "who is logged in sees the page"
    assert context.cookies(here) == session
    context.clear_cookies(domain="127.0.0.1", name=re.compile("telemetry"))
    follow_the_lure()
    expect(visitor.get_by_role("heading", name="Log in")).to_be_visible()
    assert [it["name"] for it in context.cookies(here) if "telemetry" in it["name"]] == ["telemetry_login_page"]
    visitor.click("#login-provider")
    expect(visitor.locator("header")).to_contain_text("Ada Lovelace")


def test_two_tabs_log_in_at_the_provider_at_the_same_time(visitor: Page) -> None:
    other = visitor.context.new_page()
    for page, leads_to in ((visitor, paths.ACTIVITY), (other, paths.ACCESS)):
        page.goto(leads_to)
        page.click("#login-provider")
        expect(page.locator('input[name="login"]')).to_be_visible()
    for page, leads_to in ((visitor, paths.ACTIVITY), (other, paths.ACCESS)):
        _log_in_at_provider(page)
        page.wait_for_url(f"**{leads_to}")
        expect(page.locator("header")).to_contain_text("Ada Lovelace")
    visitor.reload()
    expect(visitor.locator("header")).to_contain_text("Ada Lovelace")

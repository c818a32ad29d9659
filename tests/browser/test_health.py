"""The five states of health, each with its cause and next step, and the guide's troubleshooting cases."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Console, Deployed
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import log_in, picture
from tests.support.each import each
from tests.support.license_server import Trouble, hang, reply
from tests.support.site import LIMITS


def state(page: Page, word: str, *sentences: str) -> None:
    """Expect a state in the header and in the preview, and what the header says of it."""
    expect(page.locator("#health-title")).to_have_text(word)
    expect(page.locator("#preview .figures")).to_contain_text(word)
    for sentence in sentences:
        expect(page.locator("#health")).to_contain_text(sentence)


def test_healthy(ready: Console, page: Page) -> None:
    ready.send()
    page.goto(ready.tab)
    expect(page.locator("#health")).not_to_contain_text("Next step")
    state(page, "Healthy", "a recent transmission was accepted", "License Server: connected", "3 Nov 2026, 10:00 UTC")


def test_healthy_with_a_payload_waiting_says_what_to_do_and_whose_turn_it_is(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    state(page, "Healthy", "1 payload was rejected and is waiting", "1 payload")
    expect(page.locator("#health")).to_contain_text(re.compile(r"Next step.*click Retry.*Control Core administrator"))


def test_warning_before_the_first_transmission(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    state(
        page,
        "Warning",
        "No transmission has been accepted yet.",
        "Click Test Connection.",
        "License Server: not contacted yet",
    )


def test_warning_after_seven_days(ready: Console, page: Page) -> None:
    ready.send()
    ready.clock.advance(days=8)
    log_in(page.context, ready)
    page.goto(ready.tab)
    state(page, "Warning", "accepted 8 days ago", "is on schedule", "No action needed")
    picture(page, "warning")


def test_unhealthy(ready: Console, page: Page) -> None:
    ready.server.server.refuse()
    ready.send()
    page.goto(ready.tab)
    state(page, "Unhealthy", "refused the connection", "Network administrator", "License Server: not connected")
    picture(page, "unhealthy")


def test_disabled(ready: Console, page: Page) -> None:
    ready.configure(enabled=False)
    page.goto(ready.tab)
    state(page, "Disabled", "Telemetry is off", "Turn on Enable Telemetry and save.", "None while telemetry is off")
    expect(page.locator("#health")).to_contain_text("License Server: not contacted while off")


def test_not_configured(console: Console, page: Page) -> None:
    page.goto(console.tab)
    expect(page.locator("#health")).to_contain_text("No API key is configured.")
    expect(page.locator("#health")).to_contain_text("Enter the API key, test the connection, and save.")
    # The first steps stand in place of zeros and warnings.
    expect(page.locator("#preview")).to_contain_text("Nothing counted yet")
    expect(page.locator("#preview .figures, #preview .notice, .chips:visible, .filters:visible")).to_have_count(0)
    console.set_key()
    page.reload()
    state(page, "Warning")
    picture(page, "not-configured")


@pytest.mark.parametrize("deployed", [Deployed(license_server=False)], ids=["no License Server"])
def test_not_configured_by_the_deployment(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    state(page, "Not Configured", "No License Server is configured", "Deployment owner")


def test_payloads_that_wait_while_telemetry_is_off_are_kept(ready: Console, page: Page) -> None:
    ready.server.trouble(Trouble(before=reply(503)))
    ready.send()
    ready.configure(enabled=False)
    page.goto(ready.tab)
    expect(page.locator("#health")).to_contain_text("Kept and sent once telemetry is on")
    expect(page.get_by_role("button", name="Retry the transmission")).to_be_disabled()
    expect(page.locator("#retry-barred")).to_contain_text("Telemetry is off")


@pytest.mark.parametrize("deployed", [Deployed(limits=LIMITS.__class__(deadline=LIMITS.deadline / 2))], ids=[""])
@each(
    ("trouble", "sentence", "next_step"),
    [
        (reply(401), "does not accept the API key", "correct and not expired"),
        (reply(403), "refuses this installation", "Check the subscription"),
        (reply(422), "refused the payload", "encryption and anonymization settings match"),
        (reply(500), "had an internal error", "The next attempt is in 1 minute"),
        (
            reply(302, location="https://elsewhere.example"),
            ("redirect, which the service never follows"),
            "captive portal",
        ),
        (hang, "did not respond in time", "The next attempt is in 1 minute"),
    ],
)
def test_error_details_in_the_history_name_cause_and_next_step(
    ready: Console, page: Page, trouble: object, sentence: str, next_step: str
) -> None:
    ready.server.trouble(Trouble(before=trouble))  # type: ignore[arg-type]  # pytest's parameters have no types
    ready.send()
    page.goto(ready.tab)
    page.locator("#history tbody th a").first.click()
    expect(page.locator("#drawer")).to_contain_text(sentence)
    expect(page.locator("#drawer")).to_contain_text(next_step)

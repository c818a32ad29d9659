"""Send Now: the payload first, then the transmission, and pressing twice does no harm."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.console import Console, Deployed
from tests.browser.visitor import Look, picture, visit
from tests.support.license_server import CUSTOMER, NO_TROUBLE, Trouble, reply


def test_send_now_shows_the_payload_then_sends_it(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    page.locator("#send-now").click()
    dialog = page.get_by_role("dialog", name="Send now?")
    expect(dialog.locator('[data-field="total_events"]')).to_contain_text("203")
    picture(page, "send-now")
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#toasts")).to_contain_text("Sent and accepted by the License Server.")
    drawer = page.locator("#drawer")
    expect(drawer).to_contain_text("Success")
    page.wait_for_url(re.compile("/history/"))
    page.keyboard.press("Escape")
    expect(page.locator("#history tbody tr")).to_have_count(1)
    expect(page.locator("#health-title")).to_have_text("Healthy")
    expect(page.locator("#preview")).to_contain_text("0\n")
    assert len(ready.server.journal()) == 1


def test_a_payload_that_is_not_accepted_is_kept(ready: Console, page: Page) -> None:
    ready.server.trouble(Trouble(before=reply(503)))
    page.goto(ready.tab)
    page.locator("#send-now").click()
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#toasts")).to_contain_text("Not accepted. It will be retried.")
    expect(page.locator("#drawer")).to_contain_text("The License Server is busy.")
    expect(page.locator("#drawer")).to_contain_text(
        re.compile(r"Next step · No action needed\. The next attempt is in 1 minute")
    )
    page.keyboard.press("Escape")
    expect(page.locator("#health")).to_contain_text("1 payload")
    expect(page.locator("#health-title")).to_have_text("Unhealthy")
    expect(page.locator("#health")).to_contain_text("No action needed. The next attempt is in 1 minute")
    ready.server.trouble(NO_TROUBLE)
    page.locator("#retry-all").click()
    page.locator("#retry-all-confirm").click()
    # What was not accepted is by now: the message that said so is gone.
    expect(page.locator("[data-toast]")).to_have_count(1)
    expect(page.locator("[data-toast]")).to_contain_text("Retried: 1 of 1 accepted.")


def test_the_same_form_sent_twice_is_one_transmission(ready: Console, page: Page) -> None:
    page.goto(ready.tab)
    page.locator("#send-now").click()
    form = page.locator("#send-now-dialog form")
    sent = form.evaluate("""async (form) => {
        const send = () => fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))});
        const answers = await Promise.all([send(), send()]);
        return answers.map((answer) => new URL(answer.url).pathname);
    }""")
    assert sent[0] == sent[1]
    assert len(ready.server.journal()) == 1


@pytest.mark.parametrize(
    ("deployed", "reason"),
    [
        (Deployed(enabled=False), "The deployment has turned telemetry off"),
        (Deployed(license_server=False), "No License Server is configured"),
        (Deployed(customer_id=None), "customer ID"),
    ],
    ids=["off", "no License Server", "no customer id"],
)
def test_what_keeps_a_payload_from_being_sent_is_said(ready: Console, page: Page, reason: str) -> None:
    for view in (ready.tab, ready.settings):
        page.goto(view)
        expect(page.locator("#send-now")).to_be_disabled()
        expect(page.locator("#send-now-barred")).to_contain_text(reason)
    page.goto(f"{ready.tab}/send-now")
    expect(page.locator("#send-now-dialog")).to_contain_text(reason)
    expect(page.get_by_role("button", name="Send now")).to_be_disabled()


def test_what_another_administrator_changed_meanwhile_is_shown_again_and_nothing_is_sent(
    ready: Console, page: Page
) -> None:
    ready.configure(encrypt_payload=True, anonymize_pii=True)
    page.goto(ready.tab)
    page.locator("#send-now").click()
    dialog = page.get_by_role("dialog", name="Send now?")
    expect(dialog).to_contain_text("encrypts the payload")
    expect(dialog.locator('[data-field="customer_id"]')).to_contain_text("anon_")
    ready.configure(encrypt_payload=False, anonymize_pii=False)
    page.get_by_role("button", name="Send now").click()
    expect(dialog).to_contain_text("Not sent: the payload has changed")
    expect(dialog).to_contain_text("The settings or the API key have changed.")
    expect(dialog.locator('[data-field="customer_id"]')).to_contain_text(CUSTOMER)
    expect(dialog).not_to_contain_text("encrypts the payload")
    expect(page.locator("#drawer")).to_have_count(0)
    assert ready.server.journal() == ()
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#drawer")).to_contain_text("Success")
    (sent,) = ready.server.payloads()
    assert sent.customer_id == CUSTOMER


def test_without_javascript_a_stale_dialog_gets_412(browser: Browser, ready: Console) -> None:
    with visit(browser, ready, Look(javascript=False)) as (page, faults):
        faults.expected_statuses.add(412)
        page.goto(f"{ready.tab}/send-now")
        ready.configure(anonymize_pii=False)
        with page.expect_navigation() as navigation:
            page.get_by_role("button", name="Send now").click()
        assert navigation.value is not None
        assert navigation.value.status == 412
        dialog = page.locator("#send-now-dialog")
        expect(dialog).to_contain_text("The settings or the API key have changed.")
    assert ready.server.journal() == ()


def test_in_its_own_window_it_is_a_plain_form(ready: Console, page: Page) -> None:
    page.goto(f"{ready.tab}/send-now")
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url(ready.tab)
    page.goto(f"{ready.tab}/send-now")
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#drawer")).to_contain_text("Success")
    assert len(ready.server.journal()) == 1

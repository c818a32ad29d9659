"""*Proof* and *Activity* as an administrator uses them: without JavaScript, by keyboard, in every look."""

import csv
import io
import re
from dataclasses import replace

from playwright.sync_api import Browser, Page, expect

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind
from tests.browser.console import Console, Deployed
from tests.browser.test_accessibility import LOOKS, check, look
from tests.browser.test_history import REFUSED, failed_and_sent
from tests.browser.test_keyboard import tab_to
from tests.browser.visitor import Look, log_in, picture, visit
from tests.pipeline.queries.test_who import VERA
from tests.pipeline.stages.test_new_fields import FEWER, PRESENT, version
from tests.support import ledger_attacks as by
from tests.support.actors import ISSUER, OPS
from tests.support.ledger_attacks import Tampering
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock

KIND, ACTOR = "What", "Who"
PAULA = replace(VERA, id=f"{ISSUER}|4714", name="Paula Person")


def spam(console: Console, times: int) -> None:
    """Let a token that may only read leave so many entries."""
    with console.runtime.database.write() as tx:
        for number in range(times):
            tx.ledger.note(console.runtime.clock.now(), OPS, Kind.EXPORTED, {"of": f"history {number}"})


def act(console: Console, *actors: Actor) -> None:
    """Let people export something, one after the other."""
    with console.runtime.database.write() as tx:
        for actor in actors:
            tx.ledger.note(console.clock.now(), actor, Kind.EXPORTED, {"of": "history"})


def test_the_ledger_is_verified_without_javascript(ready: Console, plain: Page) -> None:
    failed_and_sent(ready)
    plain.goto(ready.tab)
    plain.get_by_role("link", name="Proof").click()
    expect(plain.get_by_role("heading", name="Proof", level=1)).to_be_visible()
    expect(plain.locator("#ledger")).to_contain_text("License Server key")
    anchor = plain.locator("#head").inner_text()
    plain.get_by_label("Anchor").fill(anchor)
    plain.get_by_role("button", name="Verify now").click()
    expect(plain.locator("#verification-result")).to_contain_text("Everything that was checked is as it was signed.")
    expect(plain.locator("#verification-result")).to_contain_text("Anchors met")
    plain.get_by_label("Anchor").fill("not an anchor")
    plain.get_by_role("button", name="Verify now").click()
    expect(plain.locator("#anchor-wrong")).to_contain_text("HASH or SEQ:HASH")
    with plain.expect_download() as download:
        plain.get_by_role("link", name="Download evidence").click()
    assert download.value.suggested_filename == "telemetry-ledger.zip"
    with plain.expect_download() as download:
        plain.get_by_role("link", name="Verifier").click()
    assert download.value.suggested_filename == "verify_ledger.py"


def test_a_changed_entry_is_named_and_every_page_still_opens(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    tampering = Tampering(ready.environment["TELEMETRY_DATABASE_URL"])
    place = tampering.place_of("answered")
    by.edit(place, state="held")(tampering)
    tampering.close()
    page.goto(f"{ready.tab}/proof")
    page.locator("#verify").click()
    expect(page.locator("#verification-result")).to_be_focused()
    expect(page.locator("#verification-result")).to_contain_text(f"Entry {place} was changed: its signature is wrong.")
    check(page, "a failed verification")
    for address in ("", "/proof", "/activity"):
        response = page.goto(ready.tab + address)
        assert response is not None
        assert response.status == 200


def test_the_verification_works_by_keyboard(ready: Console, page: Page) -> None:
    page.goto(f"{ready.tab}/proof")
    tab_to(page, "verify")
    page.keyboard.press("Enter")
    expect(page.locator("#verification-result")).to_be_focused()


def test_no_token_can_push_an_entry_out_of_view(browser: Browser, ready: Console) -> None:
    spam(ready, 120)
    with visit(browser, ready, Look(javascript=False)) as (page, _):
        page.goto(ready.tab)
        page.get_by_role("link", name="Activity").click()
        expect(page.locator("#activity-list")).not_to_contain_text("Set a new API key")
        seen = [page.locator("#activity-list").inner_text()]
        while page.get_by_role("link", name="Older").count():
            page.get_by_role("link", name="Older").click()
            seen.append(page.locator("#activity-list").inner_text())
        assert sum("Set a new API key" in text for text in seen) == 1
        assert len(seen) > 2
        page.get_by_role("link", name="Newer").click()
        assert page.locator("#activity-list").inner_text() == seen[-2]
        page.get_by_role("link", name="Newest").click()
        page.get_by_label(KIND, exact=True).select_option(label="Set a new API key")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#activity-list tbody tr")).to_have_count(1)
        page.get_by_label(ACTOR, exact=True).select_option(label="Service tokens")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("main")).to_contain_text("No entry matches these filters.")
        page.get_by_role("link", name="Clear filters").click()
        page.get_by_role("link", name="Only what token:ops did").first.click()
        expect(page.locator("#activity-list")).to_contain_text("192.0.2.9")
        expect(page.locator("#activity-list")).not_to_contain_text("admin")
        expect(page.get_by_label(ACTOR, exact=True)).to_have_value(f"token {OPS.id}")


def test_activity_is_an_audit_log_without_javascript(browser: Browser, ready: Console) -> None:
    ready.server.trouble(REFUSED)
    for _ in range(2):
        ready.send()
        ready.report(1)
    ready.retry_all()
    ready.clock.advance(days=1)
    for _ in range(3):
        ready.session_cookie()
    with visit(browser, ready, Look(javascript=False)) as (page, _):
        page.goto(f"{ready.tab}/activity")
        rows = page.locator("#activity-list tbody > tr")
        expect(rows.first.locator("summary")).to_have_text("Logged in 4 times")
        rows.first.locator("summary").click()
        expect(rows.first.get_by_role("listitem")).to_have_count(4)
        expect(rows.first.get_by_role("link", name="Only what admin did")).to_have_count(5)
        expect(page.locator("#activity-list")).to_contain_text("Retried 2 failed transmissions")
        page.get_by_label("To (UTC day)").fill("2026-11-03")
        page.get_by_label(KIND, exact=True).select_option(label="Retried a transmission")
        page.get_by_label(ACTOR, exact=True).select_option(label="People")
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        assert page.url.endswith("?kind=retried&actor=person&from=&to=2026-11-03")
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        exported = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert [(it["kind"], it["actor"]) for it in exported] == [("retried", "admin")]
        page.get_by_label("From (UTC day)").fill("2026-11-04")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#days-wrong")).to_contain_text("“From” is later than “To”")
        expect(page.get_by_label("From (UTC day)")).to_have_value("2026-11-04")
        page.goto(f"{ready.tab}/activity?kind=login&from=9999-12-31")
        expect(rows).to_have_count(4)
        expect(page.locator("#days-wrong")).to_contain_text("A date is not valid")


def test_what_one_person_did_is_found_by_their_name_without_javascript(browser: Browser, ready: Console) -> None:
    act(ready, VERA, *[PAULA] * 60, VERA)
    with visit(browser, ready, Look(javascript=False)) as (page, _):
        page.goto(f"{ready.tab}/activity?kind=exported")
        rows = page.locator("#activity-list tbody > tr")
        page.get_by_role("link", name="Only what Vera Viewer did").click()
        expect(page.locator("#of-person")).to_contain_text("Only what Vera Viewer (entry ")
        expect(rows).to_have_count(2)
        assert "Vera" not in page.url
        assert re.search(r"\?kind=exported&person=\d+$", page.url), page.url
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        exported = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert [(it["kind"], it["actor"]) for it in exported] == [("exported", "Vera Viewer")] * 2
        assert "Vera" not in download.value.url
        with page.expect_download() as download:
            page.get_by_role("link", name="JSON Lines").click()
        assert len(download.value.path().read_text().splitlines()) == 2
        page.get_by_label("To (UTC day)").fill("2026-11-02")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("main")).to_contain_text("No entry matches these filters.")
        expect(page.locator("#of-person")).to_contain_text("Vera Viewer")
        page.get_by_role("link", name="Show everyone").click()
        expect(page.get_by_label("To (UTC day)")).to_have_value("2026-11-02")
        page.get_by_role("link", name="Clear filters").click()
        page.get_by_role("link", name="Only what Paula Person did").first.click()
        seen = page.locator("#activity-list").inner_text()
        page.get_by_role("link", name="Older").click()
        expect(rows).to_have_count(10)
        seen += page.locator("#activity-list").inner_text()
        assert (seen.count("Paula Person"), "Vera" in seen, "192.0.2.7" in seen) == (60, False, False)
        page.get_by_label(ACTOR, exact=True).select_option(label="Commands")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#of-person")).to_have_count(0)
        page.goto(f"{ready.tab}/activity?person=999999")
        expect(page.locator("#of-person")).to_contain_text("There is no entry with this number, so nothing is shown.")
        expect(rows).to_have_count(0)


def test_a_date_that_is_half_typed_stays_in_the_filter_of_the_activity(ready: Console, page: Page) -> None:
    page.goto(f"{ready.tab}/activity")
    tab_to(page, "filter-from")
    page.keyboard.type("1103")
    page.get_by_role("button", name="Filter").click()
    assert page.url.endswith("/activity")
    page.locator("#filter-from").focus()
    page.keyboard.type("11032026")
    expect(page.locator("#filter-from")).to_have_value("2026-11-03")
    page.keyboard.press("Enter")
    page.wait_for_url("**from=2026-11-03**")


def test_new_fields_are_announced_and_approved_in_the_proof_view(
    browser: Browser, sqlite_url: str, clock: SharedClock, server: LicenseServer
) -> None:
    with Console(sqlite_url, clock, server, Deployed(schemas=version(FEWER))) as before:
        before.set_key()
        before.register_pairs(1)
    needs = Deployed(schemas=version(PRESENT), environment={"TELEMETRY_REQUIRE_FIELD_APPROVAL": "true"})
    with (
        Console(sqlite_url, clock, server, needs) as console,
        visit(browser, console, Look(javascript=False)) as (page, _),
    ):
        page.goto(f"{console.tab}/proof")
        fields = page.locator("#fields")
        expect(fields).to_contain_text("wait until you approve the fields")
        expect(fields).to_contain_text("active_reporting_bouncer_count added")
        expect(fields).to_contain_text("No payload waits yet")
        console.report(1)
        console.send()
        page.reload()
        fields.get_by_role("link", name="Approve and release").click()
        page.get_by_label("Reason").fill("Reviewed by the works council")
        page.get_by_role("button", name="Release and send").click()
        expect(page.locator("#drawer-status")).to_contain_text("Success")
        page.goto(f"{console.tab}/proof")
        expect(fields).to_contain_text("No field waits for an approval.")
        fields.get_by_role("link", name="Show approvals").click()
        expect(page.locator("#activity-list tbody tr")).to_contain_text("Reviewed by the works council")


def test_an_entry_leads_to_its_transmission(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(f"{ready.tab}/activity?kind=attempt")
    page.get_by_role("link", name="Show transmission").first.click()
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#sent-message-file")).to_be_visible()


def test_both_pages_in_every_look(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    log_in(page.context, ready)
    for name in ("proof", "activity"):
        page.goto(f"{ready.tab}/{name}")
        check(page, name)
        for look_name, viewport, scheme in LOOKS:
            look(page, viewport, scheme)
            picture(page, f"{name}-{look_name}")
    page.goto(f"{ready.tab}/proof")
    page.get_by_label("Anchor").fill("f" * 64)
    page.locator("#verify").click()
    check(page, "a verification with an anchor that is missing")
    picture(page, "proof-failed")

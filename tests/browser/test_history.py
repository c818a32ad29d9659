"""The transmission history: rows, filters, pages, the drawer, Retry, exports."""

import csv
import hashlib
import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.queries.sent import read_sent
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import Console, transmission_url
from tests.browser.visitor import Look, log_in, picture, visit
from tests.support.license_server import NO_TROUBLE, Trouble, reply, show_page

REFUSED = Trouble(before=reply(422))
BUSY = Trouble(before=reply(503))


def failed_and_sent(console: Console) -> None:
    """Send one payload that is refused and, an hour later, one that is accepted."""
    console.server.trouble(REFUSED)
    console.send()
    console.server.trouble(NO_TROUBLE)
    console.clock.advance(hours=1)
    console.report(3)
    console.send()


def test_an_empty_history_says_what_happens_next(console: Console, page: Page) -> None:
    page.goto(console.tab)
    expect(page.locator("#history")).to_contain_text("Nothing sent yet")
    expect(page.locator("#history")).to_contain_text("15 Nov 2026, 02:00 UTC (in 12 days)")


def test_each_row_says_date_status_records_and_response_code(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    newest, older = page.locator("#history tbody tr").all()
    expect(newest).to_have_text(re.compile(r"3 Nov 2026, 11:00:00 UTC\s*Success\s*203\s*200\s*Send Now\s*1\s*\d+ ms"))
    expect(older).to_have_text(
        re.compile(
            r"3 Nov 2026, 10:00:00 UTC\s*Failed\s*rejected; retries at next run"
            r"\s*203\s*422\s*Send Now\s*1\s*\d+ ms\s*Retry"
        )
    )


def test_three_fates_are_told_apart_and_a_portals_200_is_not_a_success(ready: Console, page: Page) -> None:
    for trouble in (Trouble(before=show_page(200)), Trouble(before=reply(403)), BUSY):
        ready.server.trouble(trouble)
        ready.report(1)
        ready.send()
    page.goto(ready.tab)
    busy, held, portal = page.locator("#history tbody tr").all()
    expect(portal).to_have_text(
        re.compile(r"Failed\s*rejected; retries at next run.*200\s*not a License Server’s", re.DOTALL)
    )
    expect(held).to_have_text(re.compile(r"Failed\s*on hold.*403", re.DOTALL))
    expect(busy).to_have_text(re.compile(r"Failed\s*next attempt in.*503", re.DOTALL))
    marks = "badges => badges.map((it) => it.dataset.tone + it.querySelector('path').getAttribute('d'))"
    assert len(set(page.locator("#history tbody .badge").evaluate_all(marks))) == 3
    for word, row in (("Retrying", "503"), ("On hold", "403"), ("Rejected", "200")):
        page.get_by_role("link", name=f"{word} 1").click()
        expect(page.locator("#history tbody tr")).to_have_count(1)
        expect(page.locator("#history tbody tr")).to_contain_text(row)


def test_retry_sends_the_stored_payload_again_and_shows_the_new_state(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    page.get_by_role("button", name="Retry the transmission of 3 Nov 2026, 10:00 UTC").click()
    expect(page.locator("#toasts")).to_contain_text("Sent again and accepted by the License Server.")
    row = page.locator("#history tbody tr").nth(1)
    expect(row).to_contain_text("Success")
    expect(row.locator("a")).to_be_focused()
    assert ready.noted(Kind.RETRIED)
    assert len(ready.server.journal()) == 2


def test_retry_all_failed_sends_each_of_them(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    ready.send()
    ready.report(3)
    ready.send()
    ready.server.trouble(NO_TROUBLE)
    page.goto(ready.tab)
    retry_all = page.get_by_role("link", name="Retry all failed (2)")
    retry_all.click()
    expect(page.get_by_role("heading", name="Retry 2 failed transmissions?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(retry_all).to_be_focused()
    assert ready.server.journal() == ()
    retry_all.click()
    page.get_by_role("button", name="Retry 2 now").click()
    expect(page.locator("#toasts")).to_contain_text("Retried: 2 of 2 accepted.")
    expect(page.locator("#history tbody")).not_to_contain_text("Failed")
    expect(retry_all).to_have_count(0)


def test_a_failed_retry_says_that_the_payload_is_kept(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    ready.send()
    page.goto(ready.tab)
    page.get_by_role("button", name="Retry the transmission").click()
    expect(page.locator("#toasts")).to_contain_text("Sent again, but not accepted. The payload is kept.")
    expect(page.locator("#history tbody tr").first).to_have_text(re.compile("Failed.*2", re.DOTALL))


def test_filters_stand_in_the_address_and_survive_a_reload(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    page.get_by_role("link", name="Rejected 1").click()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    expect(page.locator("#history-position")).to_have_text("1–1 of 1")
    page.wait_for_url(re.compile(r"telemetry\?state=rejected$"))
    page.reload()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    expect(page.locator(".chip[aria-current]")).to_have_text(re.compile(r"Rejected\s*1"))
    page.get_by_label("Trigger").select_option("scheduled")
    expect(page.locator("#history")).to_contain_text("No transmissions match these filters")
    page.go_back()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    expect(page.get_by_label("Trigger")).to_have_value("")
    page.get_by_text("Clear filters").click()
    expect(page.locator("#history tbody tr")).to_have_count(2)


def test_a_row_is_clicked_anywhere_and_the_drawer_leads_to_its_neighbors(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    page.locator("#history tbody tr").nth(1).locator("td").nth(1).click()
    drawer = page.locator("#drawer")
    expect(drawer).to_contain_text("The License Server refused the payload.")
    expect(drawer.get_by_role("link", name="Older")).to_have_count(0)
    drawer.get_by_role("link", name="Newer").click()
    expect(drawer.locator("#drawer-status")).to_have_text("Success")
    drawer.get_by_role("link", name="Older").click()
    expect(drawer.locator("#drawer-status")).to_contain_text("Failed")
    page.keyboard.press("Escape")
    expect(page).to_have_url(ready.tab)
    page.get_by_role("link", name="3 Nov 2026, 11:00 UTC: Success").click()  # In the strip.
    expect(drawer.locator("#drawer-status")).to_have_text("Success")


def test_what_failed_on_another_page_is_retried_too(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    ready.send()
    ready.server.trouble(NO_TROUBLE)
    for _ in range(25):
        ready.clock.advance(minutes=1)
        ready.send()
    page.goto(ready.tab)
    expect(page.locator("#history tbody")).not_to_contain_text("Failed")
    expect(page.locator("#history-position")).to_have_text("1–25 of 26")
    expect(page.locator("#next-retry")).to_have_text("Retry 1 now…")
    page.locator("#next-failed").click()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Retry all failed (1)").click()
    page.get_by_role("button", name="Retry 1 now").click()
    expect(page.locator("#toasts")).to_contain_text("Retried: 1 of 1 accepted.")


def test_an_address_that_names_no_filter_says_so(ready: Console, page: Page) -> None:
    page.goto(f"{ready.tab}?status=gone&cursor=x")
    expect(page.locator("#history [role=alert]")).to_contain_text("A filter is not valid")
    page.goto(f"{ready.tab}?cursor=x")
    expect(page.locator("#history [role=alert]")).to_contain_text("That page of the history does not exist")


def test_the_history_has_25_a_page(ready: Console, page: Page) -> None:
    for _ in range(27):
        ready.send()
        ready.clock.advance(minutes=1)
    page.goto(ready.tab)
    expect(page.locator("#history tbody tr")).to_have_count(25)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#history tbody tr")).to_have_count(2)
    expect(page.locator("#history-title")).to_be_focused()  # Another page is read from its top.
    page.reload()
    expect(page.locator("#history tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("#history tbody tr")).to_have_count(25)


def three_pages(console: Console) -> list[str]:
    """Send three pages of the history, a failed one on each, and return the dates as they are listed."""
    for number in range(52):
        console.server.trouble(REFUSED if number % 25 == 0 else NO_TROUBLE)
        console.send()
        console.clock.advance(minutes=1)
    return [f"3 Nov 2026, 10:{minute:02}:00 UTC" for minute in reversed(range(52))]


def dates(page: Page) -> list[str]:
    """Return the dates of the rows that are shown."""
    return page.locator("#history tbody th").all_inner_texts()


def turn(page: Page, link: str, expected: list[str]) -> None:
    """Turn the page, and expect these rows."""
    page.get_by_role("link", name=link, exact=True).click()
    expect(page.locator("#history tbody tr")).to_have_count(len(expected))
    expect(page.locator("#history tbody tr").first).to_contain_text(expected[0])
    assert dates(page) == expected


def turn_back_and_forth(page: Page, tab: str, everything: list[str], *, javascript: bool) -> None:
    """Turn from the newest page to the oldest and back, and jump to the newest."""
    page.goto(tab)
    expect(page.get_by_role("link", name="Newer")).to_have_count(0)
    turn(page, "Older", everything[25:50])
    turn(page, "Older", everything[50:])
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    turn(page, "Newer", everything[25:50])
    page.wait_for_url(re.compile(r"cursor=after-\d+"))
    page.reload()
    assert dates(page) == everything[25:50]
    turn(page, "Newer", everything[:25])
    if javascript:
        page.wait_for_url(re.compile(r"/telemetry$"))
    expect(page.get_by_role("link", name="Newer")).to_have_count(0)
    expect(page.get_by_role("link", name="Newest")).to_have_count(0)
    turn(page, "Older", everything[25:50])
    turn(page, "Newest", everything[:25])


def turn_back_with_filters(page: Page, tab: str) -> None:
    """Turn back from the oldest page of what failed."""
    page.goto(f"{tab}?status=failed&cursor=before-2")
    expect(page.locator("#history tbody tr")).to_have_count(1)
    turn(page, "Newer", ["3 Nov 2026, 10:50:00 UTC", "3 Nov 2026, 10:25:00 UTC", "3 Nov 2026, 10:00:00 UTC"])
    page.wait_for_url(re.compile(r"telemetry\?status=failed$"))


def test_pages_have_addresses_and_are_turned_both_ways_with_their_filters_and_when_rows_were_added(
    browser: Browser, ready: Console
) -> None:
    everything = three_pages(ready)
    for javascript in (True, False):
        with visit(browser, ready, Look(javascript=javascript)) as (page, _):
            turn_back_and_forth(page, ready.tab, everything, javascript=javascript)
    with visit(browser, ready, Look()) as (page, _):
        turn_back_with_filters(page, ready.tab)
        page.goto(ready.tab)
        turn(page, "Older", everything[25:50])
        ready.send()
        turn(page, "Newer", everything[:25])  # Exactly the page that was left, although there is a newer row now.
        turn(page, "Newer", ["3 Nov 2026, 10:52:00 UTC", *everything[:24]])


def test_the_drawer_has_its_own_address_and_back_closes_it(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    link = page.locator("#history tbody th a").nth(1)
    link.click()
    drawer = page.get_by_role("dialog", name="Transmission of 3 Nov 2026, 10:00 UTC")
    expect(drawer.get_by_role("heading", name="Error Details")).to_be_visible()
    expect(drawer).to_contain_text("The License Server refused the payload.")
    expect(drawer).to_contain_text("encryption and anonymization settings match the License Server")
    expect(drawer).to_contain_text("When you click Retry, or at the next run")
    page.wait_for_url(re.compile("/history/"))
    address = page.url
    page.go_back()
    expect(drawer).to_have_count(0)
    expect(link).to_be_focused()
    page.go_forward()
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(ready.tab)
    page.goto(address)
    expect(drawer).to_be_visible()
    page.get_by_role("link", name="Close the transmission").click()
    page.wait_for_url(ready.tab)


def test_the_drawer_proves_what_was_sent(ready: Console, page: Page) -> None:
    detail = ready.send()
    (attempt,) = detail.attempts
    page.goto(transmission_url(ready, detail.transmission.transmission_id))
    drawer = page.locator("#drawer")
    expect(drawer).to_contain_text("Verified")
    expect(drawer).to_contain_text("As sent by attempt 1, encrypted.")
    expect(drawer).to_contain_text(
        "Verified just now: the payload, the attempts, their bytes, and the outcome match the 3 signed ledger entries "
        "about this transmission, and no entry is missing"
    )
    with ready.runtime.database.read() as tx:
        place = tx.ledger.of_transmission(detail.transmission.transmission_id)[1].seq
        end = tx.ledger.head().seq
    pinned = ready.runtime.receipt_keys
    assert pinned is not None
    expect(page.locator("#proof-line")).to_have_text(
        f"Bytes unchanged · entry {place} of {end} in the ledger, chain intact · "
        f"receipt verified now with key {pinned.fingerprints[0]}"
    )
    shown = json.loads(page.locator("#sent-json").inner_text())
    assert shown["transmitted_at"] == attempt.transmitted_at
    _attempt, sent = read_now(ready.runtime, read_sent, detail.transmission.transmission_id, 1, "payload")
    assert page.locator("#sent-exact").text_content() == sent.decode()
    page.get_by_text("Digests of attempt 1").click()
    expect(page.locator(".attempt")).to_contain_text(attempt.payload_sha256)
    expect(page.locator(".attempt")).to_contain_text(attempt.body_sha256)


def downloaded(page: Page, link: Locator) -> tuple[str, bytes]:
    """Follow a link to a file, and return its name and its bytes."""
    with page.expect_download() as download:
        link.click()
    return download.value.suggested_filename, download.value.path().read_bytes()


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize(("encrypted", "ending"), [(True, "jwe"), (False, "json")])
def test_the_files_of_the_drawer_have_the_digests_that_it_shows(
    browser: Browser, ready: Console, *, javascript: bool, encrypted: bool, ending: str
) -> None:
    ready.configure(encrypt_payload=encrypted)
    identity = ready.send().transmission.transmission_id
    with visit(browser, ready, Look(javascript=javascript)) as (page, _):
        page.goto(transmission_url(ready, identity))
        name, payload = downloaded(page, page.locator("#sent-payload-file"))
        assert name == f"telemetry-{identity}-attempt-1-payload.json"
        assert hashlib.sha256(payload).hexdigest() == page.locator("#sent-payload-digest").inner_text()
        name, body = downloaded(page, page.locator("#sent-body-file"))
        assert name == f"telemetry-{identity}-attempt-1-body.{ending}"
        assert hashlib.sha256(body).hexdigest() == page.locator("#sent-body-digest").inner_text()
        (accepted,) = ready.server.journal()
        assert (payload, hashlib.sha256(body).hexdigest()) == (accepted.payload, accepted.body_sha256)
        assert (body == payload) is not encrypted


def test_the_drawer_says_where_to_look_for_its_transmission(ready: Console, page: Page) -> None:
    transmission_id = ready.send().transmission.transmission_id
    page.goto(transmission_url(ready, transmission_id))
    drawer = page.locator("#drawer")
    expect(drawer.locator("#transmission-id")).to_have_text(str(transmission_id))
    expect(drawer).to_contain_text("Search for it in the backend logs (the service’s stderr).")


def test_each_attempt_has_its_own_files(ready: Console, page: Page) -> None:
    ready.server.trouble(REFUSED)
    detail = ready.send()
    ready.server.trouble(NO_TROUBLE)
    ready.clock.advance(minutes=1)
    ready.retry_all()
    page.goto(transmission_url(ready, detail.transmission.transmission_id))
    page.get_by_text("Digests of attempt 1").click()
    _, first = downloaded(page, page.get_by_role("link", name="Download payload 1"))
    _, latest = downloaded(page, page.locator("#sent-payload-file"))
    assert hashlib.sha256(first).hexdigest() == detail.attempts[0].payload_sha256
    assert json.loads(first)["transmitted_at"] < json.loads(latest)["transmitted_at"]


def test_the_exact_payload_is_copied_in_one_line(browser: Browser, ready: Console) -> None:
    detail = ready.send()
    with visit(browser, ready, Look()) as (page, _):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(transmission_url(ready, detail.transmission.transmission_id))
        page.get_by_role("button", name="Copy exact payload").click()
        expect(page.locator("#drawer")).to_contain_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert hashlib.sha256(copied.encode()).hexdigest() == detail.attempts[0].payload_sha256


def test_a_replaced_key_still_proves_every_byte(ready: Console, page: Page) -> None:
    """What was sent was kept: nothing needs the key that sealed it."""
    detail = ready.send()
    ready.set_key("ck_test_another_key_0123456789")
    page.goto(transmission_url(ready, detail.transmission.transmission_id))
    expect(page.locator("#drawer")).to_contain_text("Verified just now")
    _, payload = downloaded(page, page.locator("#sent-payload-file"))
    assert hashlib.sha256(payload).hexdigest() == detail.attempts[0].payload_sha256
    _, body = downloaded(page, page.locator("#sent-body-file"))
    assert hashlib.sha256(body).hexdigest() == detail.attempts[0].body_sha256


def test_the_timeline_describes_each_attempt_in_plain_words(ready: Console, page: Page) -> None:
    ready.server.trouble(BUSY)
    detail = ready.send()
    page.goto(transmission_url(ready, detail.transmission.transmission_id))
    expect(page.locator("#drawer")).to_contain_text("Next attempt")
    expect(page.locator("#drawer")).to_contain_text(re.compile(r"in (a few seconds|\d+ minutes?)"))
    ready.server.trouble(NO_TROUBLE)
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator("#drawer-status")).to_contain_text("Success")
    latest, first = page.locator(".attempt").all()
    expect(latest).to_contain_text("attempt 2 · Retry")
    expect(first).to_contain_text("attempt 1 · Send Now")
    expect(first).to_contain_text("HTTP 503")
    expect(first).to_contain_text("The License Server is busy.")
    picture(page, "drawer")


def test_while_something_is_in_flight_the_page_follows_it(ready: Console, page: Page) -> None:
    ready.tick()
    assert ready.server.journal() == ()
    ready.clock.advance(minutes=10)
    log_in(page.context, ready)
    page.goto(ready.tab)
    expect(page.locator("#history tbody tr").first).to_contain_text("Sending")
    ready.wake()
    expect(page.locator("#history tbody tr").first).to_contain_text("Success")
    expect(page.locator("#health-title")).to_have_text("Healthy")


def test_the_filtered_history_is_exported_as_csv_and_json_lines(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(f"{ready.tab}?status=failed")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON Lines").click()
    assert len(download.value.path().read_text().splitlines()) == 1


def test_a_day_is_typed_by_keyboard_and_filters_once_it_is_complete(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    asked: list[str] = []
    page.goto(ready.tab)
    page.on("request", lambda request: asked.append(request.url) if "/history?" in request.url else None)
    page.locator("#filter-from").focus()
    # The order of day and month is the browser's own; this day is the same in both.
    page.keyboard.type("11112026", delay=40)
    page.wait_for_url(re.compile(r"from=2026-11-11"))
    expect(page.locator("#history")).to_contain_text("No transmissions match these filters")
    expect(page.locator("#filter-from")).to_be_focused()
    assert len(asked) == 1

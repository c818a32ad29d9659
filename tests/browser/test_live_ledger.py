"""*Activity* and *Proof* are up to date while one looks at them; every view keeps what is read in its place."""

from datetime import timedelta

from playwright.sync_api import Page, expect

from telemetry_service.domain.phrases import iso, relative
from telemetry_service.pipeline.actions.erase import erase_persons
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.storage.ledger import Head
from tests.browser.console import Console
from tests.browser.test_accessibility import check
from tests.browser.test_history import failed_and_sent
from tests.browser.test_ledger import act, spam
from tests.browser.test_live import WITHIN
from tests.browser.visitor import Faults
from tests.pipeline.queries.test_who import NAMESAKE, VERA
from tests.support.actors import CLI

TOP = "it => it.getBoundingClientRect().top"
NAMELESS = """() => [...document.querySelectorAll("[data-live] :is(a, button, summary, [tabindex])")]
  .filter((it) => !it.id && !(it.localName === "summary" && it.parentElement.id) && it.checkVisibility())
  .map((it) => it.outerHTML)"""
DISTANCES = (
    *(timedelta(seconds=n) for n in (0, 35, 50, 80, 5_000, 5_500)),
    *(timedelta(hours=n) for n in (2, 35, 37, 24 * 59, 24 * 61, 24 * 400)),
)


def head_of(console: Console) -> Head:
    """Return the last entry of the ledger."""
    return read_now(console.runtime, lambda snapshot: snapshot.tx.ledger.head())


def test_activity_shows_what_is_new_and_moves_nothing(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    spam(ready, 40)
    for _ in range(2):
        ready.session_cookie()
    page.goto(f"{ready.tab}/activity")
    logins = page.locator("#activity-list details")
    logins.locator("summary").click()
    page.locator("#filter-from").focus()
    page.keyboard.type("11")  # A date that is not complete has no value yet.
    read = page.locator("#activity-list tbody tr").nth(25)
    name = read.get_attribute("id")
    read.evaluate("it => it.scrollIntoView({ block: 'center' })")
    before = read.evaluate(TOP)
    spam(ready, 3)
    newest = head_of(ready).seq
    expect(page.locator(f"#entry-{newest}")).to_have_count(1, timeout=WITHIN)
    assert abs(page.locator(f"#{name}").evaluate(TOP) - before) < 2
    expect(logins).to_have_attribute("open", "")
    page.keyboard.type("112026")
    expect(page.locator("#filter-from")).to_have_value("2026-11-11")
    page.goto(f"{ready.tab}/activity?kind=attempt")
    spam(ready, 1)
    with page.expect_response("**/activity/live?kind=attempt") as response:
        pass
    assert "Exported" not in response.value.text()


def test_what_one_person_does_appears_by_itself_until_they_are_erased(ready: Console, page: Page) -> None:
    act(ready, VERA)
    page.goto(f"{ready.tab}/activity")
    page.get_by_role("link", name="Only what Vera Viewer did").click()
    page.wait_for_url("**?person=*")
    page.locator("#filter-from").focus()
    page.keyboard.type("11")
    rows = page.locator("#activity-list tbody > tr")
    expect(rows).to_have_count(1)
    act(ready, NAMESAKE, VERA)
    expect(rows).to_have_count(2, timeout=WITHIN)
    expect(page.locator("#activity-list")).not_to_contain_text("Set a new API key")
    assert page.evaluate(NAMELESS) == []
    check(page, "what one person did")
    erase_persons(ready.runtime, CLI)
    expect(page.locator("#of-person")).to_contain_text("was erased, so nothing is shown.", timeout=WITHIN)
    expect(page.locator("main")).not_to_contain_text("Vera")
    page.get_by_role("link", name="Show everyone").click()
    expect(page.locator("#activity-list")).to_contain_text("Erased what names persons")


def test_proof_shows_a_new_head_and_verdict_beside_what_is_typed(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(f"{ready.tab}/proof")
    expect(page.locator("#verdict")).to_contain_text("Not verified yet")
    page.get_by_label("Anchor").fill("7:half")
    spam(ready, 1)
    sweep(ready.runtime)
    expect(page.locator("#verdict")).to_contain_text("All was as it was signed.", timeout=WITHIN)
    head = head_of(ready)
    expect(page.locator("#head")).to_have_text(f"{head.seq}:{head.sha256}", timeout=WITHIN)
    expect(page.get_by_label("Anchor")).to_have_value("7:half")
    page.get_by_label("Anchor").fill("")
    page.locator("#verify").click()
    spam(ready, 1)
    head = head_of(ready)
    expect(page.locator("#head")).to_have_text(f"{head.seq}:{head.sha256}", timeout=WITHIN)
    expect(page.locator("#verification-result")).to_contain_text("Everything that was checked is as it was signed.")


def test_a_session_that_ends_takes_nothing_that_is_typed_there(ready: Console, page: Page, faults: Faults) -> None:
    page.goto(f"{ready.tab}/proof")
    page.get_by_label("Anchor").fill("7:half")
    ready.clock.advance(minutes=121)
    expect(page.locator("#not-live")).to_contain_text("your session has ended", timeout=WITHIN)
    expect(page.get_by_label("Anchor")).to_have_value("7:half")
    faults.found = [text for text in faults.found if "401" not in text]


def test_how_long_ago_something_was_counts_on(ready: Console, page: Page) -> None:
    ready.send()
    page.goto(ready.tab)
    now = ready.clock.now()
    times = [iso(now - distance) for distance in DISTANCES]
    page.evaluate(
        """times => document.querySelector("#main").append(...times.map((at) => {
          const it = document.createElement("i");
          it.dataset.ago = at;
          return it;
        }))""",
        times,
    )
    expect(page.locator("i[data-ago]")).to_have_text([relative(now - it, now) for it in DISTANCES])
    page.locator("#history tbody th a").first.click()
    expect(page.locator("#drawer")).to_contain_text("Verified just now")
    ready.clock.advance(minutes=5)
    for said in ("(5 minutes ago)", "Verified 5 minutes ago", "verified 5 minutes ago with the pinned"):
        expect(page.locator("#drawer")).to_contain_text(said, timeout=WITHIN)


def test_a_drawer_that_is_sent_again_stays_open_and_scrolled_where_it_was(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    page.locator("#history tbody th a").nth(1).click()
    page.locator("#meanings summary").click()
    page.locator("#sent-json").evaluate("it => it.scrollTo(0, 90)")
    before = page.locator("#meanings").evaluate(TOP)
    page.locator("#transmission-detail").evaluate("it => it.dataset.old = ''")
    ready.clock.advance(minutes=90)
    expect(page.locator("#transmission-detail[data-old]")).to_have_count(0, timeout=WITHIN)
    expect(page.locator("#meanings")).to_have_attribute("open", "")
    expect(page.locator("#meanings summary")).to_be_focused()
    assert page.locator("#sent-json").evaluate("it => it.scrollTop") == 90
    assert abs(page.locator("#meanings").evaluate(TOP) - before) < 2


def test_whatever_takes_the_focus_in_a_live_part_is_found_again(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    for view in ("", "/settings", "/activity", "/proof"):
        page.goto(ready.tab + view)
        assert page.evaluate(NAMELESS) == [], view
    for number in range(2):
        page.goto(ready.tab)
        page.locator("#history tbody th a").nth(number).click()
        expect(page.locator("#drawer")).to_be_visible()
        page.locator("#drawer details").evaluate_all("all => all.forEach((it) => { it.open = true; })")
        assert page.evaluate(NAMELESS) == [], number

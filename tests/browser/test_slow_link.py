"""On a slow link, each click shows at once that it was heard, and nothing that is typed meanwhile is lost."""

from playwright.sync_api import Page, Route, expect

from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Faults, log_in
from tests.support.license_server import NO_TROUBLE

AT_HAND = (
    "a[href^='#'], [download], [data-zone], [data-copy], [data-copy-link], [data-close], [data-hide], [data-dismiss]"
)
"""What these do is done in the page, or beside it, and the page waits for nothing."""
CLICK_ALL = f"""() => {{
  const here = location.href.split("#")[0];
  const isAtHand = (it) => it.matches("{AT_HAND}") || (it.hash && it.href.split("#")[0] === here);
  const isRefused = (it) => it.form && !it.formNoValidate && !it.form.noValidate && !it.form.checkValidity();
  const shown = document.querySelector("dialog:modal") ?? document.body;
  const all = [...shown.querySelectorAll("a[href], button:enabled")].filter((it) => it.checkVisibility());
  const controls = all.filter((it) => !isAtHand(it) && !isRefused(it));
  const silent = controls.filter((it) => {{
    for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
    it.click();
    const isSilent = document.querySelector("[aria-busy='true']") === null;
    dispatchEvent(new PageTransitionEvent("pageshow"));
    return isSilent;
  }});
  stop();
  return [controls.length, silent.map((it) => it.outerHTML.slice(0, 200))];
}}"""
"""Click all that can be clicked, in one task, before anything is drawn; return how many, and who shows nothing."""


def silent(page: Page, console: Console) -> list[str]:
    """Click all that can be clicked while no response comes, and return what shows nothing."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"{console.url}/**", hold)
    clicked, found = page.evaluate(CLICK_ALL)
    page.unroute(f"{console.url}/**", hold)
    assert clicked > 3
    return list(found)


def test_each_control_shows_in_its_own_click_that_it_waits(ready: Console, page: Page, faults: Faults) -> None:
    failed_and_sent(ready)
    log_in(page.context, ready)
    for view in ("", "/settings", "/activity", "/proof", "/access", "/send-now", "?status=failed"):
        page.goto(ready.tab + view)
        assert silent(page, ready) == [], view
    page.goto(ready.tab)
    page.locator("#history tbody th a").nth(1).click()
    expect(page.locator("#drawer")).to_be_visible()
    assert silent(page, ready) == [], "the drawer"
    page.goto(ready.tab)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"{ready.url}/**", hold)
    page.locator("#filter-trigger").select_option("scheduled")
    expect(page.locator("#history-rows")).to_have_attribute("aria-busy", "true")
    held[0].abort("aborted")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)  # Nothing waits for what will not come.
    faults.found.clear()  # htmx logs each request that was broken off.


def held_back(page: Page, address: str) -> list[Route]:
    """Hold the next response of an address, and return a list that it will be in."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(address, hold, times=1)
    return held


def test_who_has_gone_on_is_not_called_back(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    held = held_back(page, "**/api-key/replace")
    page.locator("#replace").click()
    retention = page.get_by_label("365 days")
    retention.check()
    held[0].continue_()
    expect(page.locator("#api_key")).to_be_visible()
    expect(retention).to_be_focused()
    expect(retention).to_be_in_viewport()


def test_an_answer_about_what_was_shown_before_replaces_nothing(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    held = held_back(page, "**/live")
    page.wait_for_timeout(4_500)
    page.get_by_role("link", name="Success 1").click()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    with page.expect_response("**/live"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#history tbody tr")).to_have_count(1)
    expect(page.locator("#chip-2")).to_have_attribute("aria-current", "true")
    page.locator("#chip-1").click()
    page.locator("#history tbody th a").nth(1).click()  # A failed one, which is followed.
    expect(page.locator("#drawer-status")).to_contain_text("Failed")
    held = held_back(page, "**/live")
    page.wait_for_timeout(4_500)
    page.locator("#drawer-newer").click()
    expect(page.locator("#drawer-status")).to_contain_text("Success")
    with page.expect_response("**/live"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#drawer-status")).to_contain_text("Success")


def slow_down(page: Page) -> None:
    """Give the page a link with 400 kbit/s and 400 ms of latency."""
    bytes_per_second = 400_000 / 8
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"offline": False, "latency": 400}
    session.send(
        "Network.emulateNetworkConditions",
        conditions | {"downloadThroughput": bytes_per_second, "uploadThroughput": bytes_per_second},
    )


def test_what_is_chosen_and_typed_while_a_response_is_under_way_is_kept(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    ready.server.trouble(NO_TROUBLE)
    log_in(page.context, ready)
    page.goto(ready.tab)
    slow_down(page)
    page.get_by_role("link", name="Success 1").click()
    page.locator("#filter-from").focus()
    page.keyboard.type("11112026", delay=60)
    page.wait_for_url("**from=2026-11-11**")
    expect(page.locator("#filter-from")).to_have_value("2026-11-11")
    expect(page.locator("#history")).to_contain_text("No transmissions match these filters")
    page.goto(ready.settings)
    page.locator("#replace").click()
    page.locator("#api_key").fill("half-typ")
    page.get_by_label("Weekly").check()
    page.locator("#save-all").click()
    page.get_by_label("90 days").check()  # The save is under way.
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    expect(page.get_by_label("90 days")).to_be_checked()
    expect(page.get_by_label("Weekly")).to_be_checked()
    expect(page.locator("#api_key")).to_have_value("half-typ")
    expect(page.locator("[data-save-bar]")).to_contain_text("1 unsaved change: Local Data Retention")
    values = read_now(ready.runtime, read_configuration).stored.values
    assert (values.frequency, values.retention_days) == (Frequency.WEEKLY, 30)

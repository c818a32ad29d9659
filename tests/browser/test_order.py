"""What one looks for first: what stands out, what comes early, what is marked, and what covers nothing."""

from playwright.sync_api import Page, expect

from telemetry_service.domain.schedule import Frequency
from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent

STANDING_OUT = """() => {
  const accent = getComputedStyle(document.querySelector(".views [aria-current]")).color;
  const buttons = [...document.querySelectorAll("#telemetry :is(button, a.button)")];
  return buttons.filter((it) => getComputedStyle(it).backgroundColor === accent).map((it) => it.id);
}"""
BACKGROUND = "it => getComputedStyle(it).backgroundColor"
POSITION = "it => getComputedStyle(it).position"


def test_t15_one_button_stands_out_and_saves_what_stands_beside_it(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    assert page.evaluate(STANDING_OUT) == []
    page.get_by_label("Weekly").check()
    assert page.evaluate(STANDING_OUT) == ["save-all"]
    page.get_by_label("Twice monthly").check()
    page.locator("#replace").click()
    expect(page.locator("#api_key")).to_be_focused()
    assert page.evaluate(STANDING_OUT) == ["save"]


def test_t16_the_history_begins_early_and_the_current_view_is_marked(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    ready.report(3)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(ready.tab)
    assert page.evaluate("document.querySelector('#history').getBoundingClientRect().top") < 900 * 1.4
    page.set_viewport_size({"width": 768, "height": 900})
    rows = page.locator("#history tbody tr").evaluate_all("all => all.map((it) => it.offsetHeight)")
    assert max(rows) <= 72, rows  # It was 118.
    marked = page.get_by_label("Views of Telemetry").locator("[aria-current]")
    for view, name in (("", "Overview"), ("/settings", "Settings"), ("/proof", "Proof"), ("/access", "Settings")):
        page.goto(ready.tab + view)
        expect(marked).to_have_text(name)


def test_t18_the_pill_of_the_default_shows_on_every_card(ready: Console, page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for frequency in (Frequency.TWICE_MONTHLY, Frequency.WEEKLY):
            ready.configure(frequency=frequency)
            page.goto(ready.settings)
            pill = page.locator(".choice .tag").first
            card = page.locator(".choice").first
            expect(pill).to_have_text("Default")
            assert pill.evaluate(BACKGROUND) != card.evaluate(BACKGROUND), (scheme, frequency)


def test_the_bar_covers_something_only_while_there_is_a_change(ready: Console, page: Page) -> None:
    page.goto(ready.settings)
    bar = page.locator("[data-save-bar]")
    assert bar.evaluate(POSITION) == "static"
    page.get_by_label("Weekly").check()
    assert bar.evaluate(POSITION) == "sticky"
    page.locator("#save-all").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Settings saved.")
    expect(page.locator("#save-all")).to_be_focused()
    expect(page.locator("#save-all")).to_be_in_viewport()  # What has the focus can be seen.


def test_t13_paper_shows_the_state_of_a_switch_and_the_colors_of_a_legend(ready: Console, page: Page) -> None:
    exact = "it => getComputedStyle(it, it.matches('span') ? '::before' : null).printColorAdjust"
    page.emulate_media(media="print")
    for view, colored in (("/settings", ".switch"), ("", ".legend span")):
        page.goto(ready.tab + view)
        drawn = page.locator(colored)
        expect(drawn).to_have_count(3)
        assert set(drawn.evaluate_all(f"all => all.map({exact})")) == {"exact"}, colored

"""At each width and in a wide and a narrow font: nothing is clipped, outside its card, or wider than the window."""

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import log_in
from tests.support.license_server import NO_TROUBLE, Trouble, reply
from tests.support.programs import require

WIDTHS = (320, 390, 768, 830, 1000, 1100, 1440)
FONTS = ("DejaVu Sans", "Liberation Sans")
"""Wide, as what many Linux desktops have; and narrow, with the widths of Arial."""

HIGHEST_ROW = 90
"""Of a transmission at 768 pixels that failed, with its note: two lines and the note."""

HAS_FONT = """(name) => {
  const context = document.createElement("canvas").getContext("2d");
  const widths = ["serif", "monospace"].map((other) => {
    context.font = `16px "${name}", ${other}`;
    return context.measureText("mmmmiiiiWWll").width;
  });
  return widths[0] === widths[1];
}"""
SET_FONT = """(name) => {
  for (const part of document.querySelectorAll(".cct")) part.style.setProperty("--cct-font", `"${name}"`);
}"""
MEASURE = """() => {
  const found = [];
  const name = (it) => `${it.tagName.toLowerCase()}#${it.id || it.className} "${it.textContent.trim().slice(0, 40)}"`;
  const hidden = (it) => !it.checkVisibility() || it.closest(".visually-hidden, [aria-hidden='true'] *, select");
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > room) found.push(`page: ${document.documentElement.scrollWidth}`);
  const shown = document.querySelector("dialog:modal") ?? document.body;
  for (const it of shown.querySelectorAll("*")) {
    if (hidden(it) || it.closest(":not(body):is(.skip, .table.cards thead)")) continue;
    const own = it.getBoundingClientRect();
    if (own.width === 0) continue;
    const cut = it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 1 && !it.closest("svg");
    if (cut && !it.matches(".clip")) found.push(`clipped: ${name(it)} ${it.scrollWidth} > ${it.clientWidth}`);
    const card = it.parentElement.closest(".card, dialog, .notice, .choice, .figures > div")?.getBoundingClientRect();
    if (card && (own.right > card.right + 0.6 || own.left < card.left - 0.6)) found.push(`outside: ${name(it)}`);
  }
  return found;
}"""


def measured(page: Page, what: str) -> Iterator[str]:
    """Yield what is wrong with a page at some width in some font."""
    for font in FONTS:
        page.evaluate(SET_FONT, font)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            yield from (f"{what}, {width} px, {font}: {it}" for it in page.evaluate(MEASURE))


def needs_fonts(page: Page) -> None:
    """Skip where a font is not installed."""
    missing = [font for font in FONTS if not page.evaluate(HAS_FONT, font)]
    require(not missing, f"not installed: {', '.join(missing)}")


def open_views(console: Console, page: Page) -> Iterator[str]:
    """Open each view, each dialog, and the sheet, one after the other."""
    for view in ("", "/settings", "/activity", "/proof", "/access"):
        page.goto(console.tab + view)
        yield view or "overview"
    page.goto(console.settings)
    page.locator("#test").click()
    expect(page.locator("#connection-test-result .step")).to_have_count(6)
    page.locator("#show").click()
    expect(page.locator("#revealed-key-text")).to_be_visible()
    yield "settings after a test"
    page.locator("#replace").click()
    expect(page.locator("#api_key")).to_be_focused()
    yield "settings with a new key"


def open_dialogs(console: Console, page: Page) -> Iterator[str]:
    """Open each dialog, and the sheet."""
    for opener, view in (("#send-now", ""), ("#view-payload", ""), ("#retry-all", ""), ("#remove-key", "/settings")):
        page.goto(console.tab + view)
        page.locator(opener).click()
        expect(page.locator("dialog:modal")).to_be_visible()
        yield opener
    page.goto(console.tab)
    page.locator("#history tr:nth-child(2) th a").click()
    expect(page.locator("#drawer")).to_be_visible()
    for details in page.locator("#drawer summary").all():
        details.click()
    yield "drawer"
    page.goto(f"{page.url}/evidence")
    yield "evidence"


def open_while_off(console: Console, page: Page) -> Iterator[str]:
    """Open the views that say more while telemetry is off."""
    console.configure(enabled=False)
    for view in ("", "/settings"):
        page.goto(console.tab + view)
        expect(page.locator(".badge", has_text="not contacted while off")).to_be_visible()
        yield f"{view or 'overview'} while telemetry is off"


def test_a_site_with_large_numbers_and_long_words(ready: Console, page: Page) -> None:
    ready.report(3, scale=100_000)
    failed_and_sent(ready)
    ready.report(3, scale=1_000_000)
    ready.server.trouble(Trouble(before=reply(503)))
    ready.clock.advance(minutes=1)
    ready.send()
    ready.server.trouble(NO_TROUBLE)
    ready.report(3, scale=1_000_000)
    ready.session_cookie()
    log_in(page.context, ready)
    page.goto(ready.tab)
    needs_fonts(page)
    page.set_viewport_size({"width": 768, "height": 800})
    heights = page.locator("#history tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
    assert max(heights) < HIGHEST_ROW
    states = (open_views, open_dialogs, open_while_off)
    found = [it for opened in states for what in opened(ready, page) for it in measured(page, what)]
    assert not found, "\n".join(found)


def test_right_after_the_installation(console: Console, page: Page) -> None:
    found: list[str] = []
    for view in ("", "/settings", "/activity", "/proof"):
        page.goto(console.tab + view)
        needs_fonts(page)
        found += measured(page, f"empty {view}")
    assert not found, "\n".join(found)

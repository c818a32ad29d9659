"""Where the system replaces all colors, what is chosen still looks different from what is not."""

import pytest
from playwright.sync_api import Page

from tests.browser.console import Console
from tests.browser.test_demo_mode import DEMO

PAIRS = {
    ".theme .chip": "[aria-current]",
    ".theme .segments button": "[aria-pressed=true]",
    ".theme .choice": ":has(:checked)",
    ".theme tbody tr": "[aria-current]",
    ".theme .primary": ":not(:disabled)",
}
"""Controls and rows, and which of them is chosen or can be used."""
VIEW = ".views a"
LOOK = """(it) => {
  const drawn = getComputedStyle(it);
  const words = ["color", "backgroundColor", "borderBottomColor", "borderBottomWidth", "outlineStyle", "fontWeight"];
  return words.map((word) => drawn[word]).join(" ");
}"""


def look(page: Page, every: str, which: str) -> object:
    """Return how the first of these looks."""
    return page.locator(f"{every}{which}").first.evaluate(LOOK)


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
def test_what_is_chosen_looks_different_in_forced_colors(console: Console, page: Page) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(f"{console.tab}/components")
    same = [
        every for every, chosen in PAIRS.items() if look(page, every, chosen) == look(page, every, f":not({chosen})")
    ]
    page.goto(console.tab)
    assert same == []
    assert look(page, VIEW, "[aria-current]") != look(page, VIEW, ":not([aria-current])")


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
def test_a_switch_that_is_on_looks_different_from_one_that_is_off(console: Console, page: Page) -> None:
    page.goto(f"{console.tab}/components")
    page.emulate_media(forced_colors="active")
    knob = "it => { const drawn = getComputedStyle(it, '::after'); return [drawn.translate, drawn.backgroundColor]; }"
    on, off = (page.locator(f"#light-{word}").evaluate(knob) for word in ("On", "Off"))
    assert on[0] != off[0]
    assert on[1] != off[1]

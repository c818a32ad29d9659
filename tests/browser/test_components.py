"""The parts of the views side by side, on a page that only demo mode has."""

from http import HTTPStatus

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Console
from tests.browser.test_accessibility import check
from tests.browser.test_demo_mode import DEMO
from tests.browser.test_widths import measured, needs_fonts
from tests.browser.visitor import Faults

BACKGROUND = "it => getComputedStyle(it).backgroundColor"


@pytest.mark.parametrize("deployed", [DEMO], ids=["demo"])
def test_the_components_stand_side_by_side_in_both_themes(console: Console, page: Page) -> None:
    page.goto(f"{console.tab}/components")
    light, dark = page.locator(".theme").all()
    expect(dark.locator("h2")).to_have_text(light.locator("h2").all_inner_texts())
    assert [theme.evaluate(BACKGROUND) for theme in (light, dark)] == ["rgb(246, 247, 249)", "rgb(14, 18, 24)"]
    for theme in (light, dark):
        for kind in (".primary", ".danger"):
            looks = [theme.locator(f"{kind}{state}").first.evaluate(BACKGROUND) for state in (":enabled", ":disabled")]
            assert looks[0] != looks[1] == theme.locator(":disabled:not(.primary, .danger)").first.evaluate(BACKGROUND)
    check(page, "the components")
    needs_fonts(page)
    found = list(measured(page, "components"))
    assert not found, "\n".join(found)


def test_a_real_installation_has_no_such_page(console: Console, page: Page, faults: Faults) -> None:
    faults.expected_statuses.add(HTTPStatus.NOT_FOUND)
    response = page.goto(f"{console.tab}/components")
    assert response is not None
    assert response.status == HTTPStatus.NOT_FOUND

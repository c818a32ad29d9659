"""A viewer's browser: no script fails, axe finds nothing, and what is disabled looks so."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from telemetry_service.identity.sessions import Proven
from telemetry_service.web.tab import paths
from tests.browser.console import Console, Deployed
from tests.browser.test_accessibility import RULES
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Look, log_in, visit
from tests.support.actors import PROVIDED, STRANGER, VIEWER

PAGES = (paths.TAB, paths.SETTINGS, "/embedded", "/embedded/settings", paths.ACCESS, paths.PROOF, paths.ACTIVITY)
_BACKGROUND = "it => getComputedStyle(it).backgroundColor"


@pytest.mark.parametrize("deployed", [Deployed(environment=PROVIDED)])
def test_the_pages_of_a_viewer_work(browser: Browser, ready: Console) -> None:
    failed_and_sent(ready)
    with visit(browser, ready, Look(logged_in=False)) as (page, _):
        sessions = ready.app.state.context.authentication.sessions
        log_in(page.context, ready, sessions.open(Proven(VIEWER, ready.clock.now()), STRANGER).token)
        for path in PAGES:
            page.goto(ready.url + path)
            _expect_accessible(page, path)
        page.goto(ready.settings)
        _expect_looking_disabled(page)
        page.goto(ready.tab)
        page.locator("#history tbody th a").first.click()
        expect(page.locator("#drawer")).to_be_visible()
        _expect_accessible(page, "the drawer")


def _expect_accessible(page: Page, what: str) -> None:
    found = Axe().run(page, options=RULES).response["violations"]
    assert [one["id"] for one in found] == [], what


def _expect_looking_disabled(page: Page) -> None:
    """Expect every disabled button in the same color."""
    for disabled in ("#test", "#show", "#replace"):
        expect(page.locator(disabled)).to_be_disabled()
        assert page.locator(disabled).evaluate(_BACKGROUND) == page.locator("#send-now").evaluate(_BACKGROUND)

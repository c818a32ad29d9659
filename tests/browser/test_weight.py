"""What the first view weighs, and that nothing comes from elsewhere."""

from playwright.sync_api import Browser, Page, Response

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Look, visit

FIRST_VIEW_BYTES = 60_000
REQUESTS = 5
"""The page, its stylesheet, its two scripts and its icon."""


def responses(page: Page) -> list[Response]:
    """Return a list that collects the following responses."""
    found: list[Response] = []

    def note(response: Response) -> None:
        found.append(response)

    page.on("response", note)  # Not the list's own method: Playwright has to mark what it calls.
    return found


def weight(response: Response) -> int:
    """Return the size of a response on the wire, headers included."""
    sizes = response.request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


def full(console: Console) -> None:
    """Fill the history's first page."""
    failed_and_sent(console)
    for _ in range(24):
        console.clock.advance(minutes=1)
        console.send()


def test_the_first_view_stays_below_60_kilobytes(browser: Browser, ready: Console) -> None:
    full(ready)
    with visit(browser, ready, Look()) as (page, _):
        found = responses(page)
        page.goto(ready.tab, wait_until="networkidle")
        assert len(found) <= REQUESTS
        assert sum(weight(response) for response in found) < FIRST_VIEW_BYTES
        assert {response.url.split("/")[2] for response in found} == {ready.url.split("/")[2]}


def test_the_second_view_fetches_the_page_alone(ready: Console, page: Page) -> None:
    page.goto(ready.tab, wait_until="networkidle")
    found = responses(page)
    page.goto(ready.tab, wait_until="networkidle")
    fetched = [response for response in found if weight(response) > 0 and not response.url.endswith("/live")]
    assert [r.url for r in fetched if "/static/" not in r.url] == [ready.tab]
    assert all(
        r.headers["cache-control"] == "public, max-age=31536000, immutable" for r in fetched if "/static/" in r.url
    )


def test_nothing_moves_after_the_first_paint(browser: Browser, ready: Console) -> None:
    full(ready)
    with visit(browser, ready, Look()) as (page, _):
        page.add_init_script(
            "window.moved = 0; new PerformanceObserver((list) => {"
            " for (const entry of list.getEntries()) window.moved += entry.value;"
            "}).observe({type: 'layout-shift', buffered: true});"
        )
        page.goto(ready.tab, wait_until="networkidle")
        assert page.evaluate("window.moved") < 0.01

"""The tab as a fragment in somebody else's page."""

from playwright.sync_api import Page, expect

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent

HOST = """<!doctype html><html lang="en"><head><title>Host console</title>
<link rel="stylesheet" href="{css}"><link rel="icon" href="{icon}">
<meta name="htmx-config" content='{{"allowEval": false, "includeIndicatorStyles": false, "historyEnabled": false}}'>
<script src="{htmx}" defer></script><script src="{tab}" defer></script></head>
<body><h1>Host console</h1><main>{fragment}</main></body></html>"""


def test_the_fragment_is_the_tab_without_its_shell(ready: Console, page: Page) -> None:
    response = page.request.get(f"{ready.tab}?fragment=1")
    text = response.text()
    assert text.lstrip().startswith("<section")
    assert "data-standalone" not in text
    assert "<html" not in text


def test_it_works_inside_a_host_page_and_leaves_the_address_alone(ready: Console, page: Page) -> None:
    failed_and_sent(ready)
    fragment = page.request.get(f"{ready.tab}?fragment=1").text()
    host = HOST.format(
        css="/static/tab.css",
        icon="/static/icon.svg",
        htmx="/static/htmx.min.js",
        tab="/static/tab.js",
        fragment=fragment,
    )
    page.route("**/console/settings", lambda route: route.fulfill(body=host, content_type="text/html"))
    page.goto(f"{ready.url}/console/settings")
    page.locator("#history tbody th a").nth(1).click()
    expect(page.locator("#drawer")).to_contain_text("refused the payload")
    expect(page.locator("#drawer-close")).to_be_focused()
    assert page.url == f"{ready.url}/console/settings"
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_have_count(0)
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("#history tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Retry the transmission").click()
    expect(page.locator("#toasts")).to_contain_text("Sent again and accepted")
    expect(page.locator("#history")).to_contain_text("No transmissions match these filters")
    assert page.url == f"{ready.url}/console/settings"

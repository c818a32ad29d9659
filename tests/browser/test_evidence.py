"""What an auditor files: the drawer and the evidence sheet, on paper and copied."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.console import Console, transmission_url
from tests.browser.test_accessibility import check
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import Look, until, visit

SHEET = 1056
"""The height of a sheet of paper (Letter) in CSS pixels."""


def sheets(page: Page, folder: Path) -> int:
    """Print, and return on how many sheets."""
    page.pdf(path=folder / "printed.pdf")
    return len(re.findall(rb"/Type ?/Page\b", (folder / "printed.pdf").read_bytes()))


def test_the_drawer_and_the_evidence_sheet_are_printed_whole(ready: Console, page: Page, tmp_path: Path) -> None:
    failed_and_sent(ready)
    page.goto(ready.tab)
    page.locator("#history tbody th a").nth(1).click()
    expect(page.locator("#drawer")).to_be_visible()
    page.emulate_media(media="print")
    sizes = "it => [it.scrollHeight - it.clientHeight, getComputedStyle(it).position]"
    assert page.locator("#drawer").evaluate(sizes) == [0, "absolute"]
    for hidden in ("#health", "#drawer-retry", ".bar"):
        expect(page.locator(hidden)).to_be_hidden()
    for shown in ("#sent-json", ".timeline"):
        expect(page.locator(shown)).to_be_visible()
    height = page.locator("#drawer").bounding_box()
    assert height is not None
    assert abs(sheets(page, tmp_path) - height["height"] / SHEET) <= 2  # Each part once, and no screen again and again.
    page.emulate_media(media="screen")
    page.locator("#drawer-evidence").click()
    page.wait_for_url("**/evidence")
    for shown in ("#proof-lines", "#sent-json", ".attempt dl", "#error-details-title"):
        expect(page.locator(shown).first).to_be_visible()
    expect(page.locator("#drawer-retry")).to_have_count(0)
    check(page, "the evidence sheet")
    height = page.locator(".sheet").bounding_box()
    assert height is not None
    assert abs(sheets(page, tmp_path) - height["height"] / SHEET) <= 2


def test_link_and_proof_are_copied(browser: Browser, ready: Console) -> None:
    detail = ready.send()
    with visit(browser, ready, Look()) as (page, _):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(transmission_url(ready, detail.transmission.transmission_id))
        page.get_by_role("button", name="Copy the link to this transmission").click()
        expect(page.locator("#drawer")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.url
        page.get_by_role("button", name="Copy proof").click()
        until(page, "navigator.clipboard.readText().then((text) => text.includes('Verified just now'))")
        proof = page.evaluate("navigator.clipboard.readText()")
        assert detail.attempts[0].payload_sha256 in proof
        assert str(detail.transmission.transmission_id) in proof

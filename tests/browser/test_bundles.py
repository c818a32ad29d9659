"""What only some deployments show: the bundles of one without a network, and the question after a restore."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.ledger import Kind
from tests.browser.console import Console, Deployed
from tests.browser.test_accessibility import check
from tests.support.license_server import LicenseServer

IN_BUNDLES = Deployed(license_server=False, environment={"TELEMETRY_DELIVERY": "bundle"})


@pytest.mark.parametrize("deployed", [IN_BUNDLES])
def test_a_payload_leaves_in_a_bundle_and_its_receipt_comes_back(
    ready: Console, server: LicenseServer, page: Page, tmp_path: Path
) -> None:
    ready.send()
    page.goto(f"{ready.tab}/proof")
    expect(page.locator("#bundles")).to_contain_text("1 payload waiting")
    check(page, "a bundle to export")
    with page.expect_download() as download:
        page.locator("#export-bundle").click()
    taken = server.take(Path(download.value.path()).read_bytes())
    receipts = tmp_path / "receipts.json"
    receipts.write_bytes(taken.content)
    page.reload()
    expect(page.locator("#bundles")).to_contain_text("1 payload exported without a receipt")
    page.locator("#receipts-file").set_input_files(receipts)
    page.locator("#import-receipts").click()
    expect(page.locator("#receipts-imported-dialog")).to_contain_text("1 transmission accepted")
    check(page, "imported receipts")
    page.locator("#receipts-imported-dialog").get_by_role("link", name="Close", exact=True).last.click()
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#history")).to_contain_text("Success")


def test_after_a_restore_the_tab_asks_what_was_sent(ready: Console, page: Page) -> None:
    events = page.locator("#preview .figures > div", has_text="Total Events").locator("dd").first
    for answer, kept in (("unsent", True), ("sent", False)):
        with ready.runtime.database.write() as tx:
            tx.installation.restored(ready.clock.now())
            tx.ledger.note(ready.clock.now(), SERVICE, Kind.RESTORED)
        page.goto(ready.tab)
        counted = events.inner_text()
        assert counted != "0"
        expect(page.locator("#restored")).to_contain_text("after the backup was made?")
        if kept:
            check(page, "the question after a restore")
        page.locator(f"#restored-{answer}").click()
        expect(page.locator("#toasts")).to_contain_text("Recorded. Sending continues")
        expect(page.locator("#restored")).to_have_count(0)
        expect(events).to_have_text(counted if kept else "0")

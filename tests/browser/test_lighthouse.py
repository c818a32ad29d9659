"""Lighthouse gives every view, and the login, 100 in each of its four categories.

Three of them do not depend on the machine. Performance is partly a measurement of how fast it is just now, which can
only lower it: a page that gets less than 100 is loaded once more. What does not depend on the machine is perfect.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.browser.test_weight import FIRST_VIEW_BYTES
from tests.support.browser import browser_path

MODULES = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"
VIEWS = ("", "/settings", "/activity", "/proof")
TIMEOUT_SECONDS = 150
SCRIPT = Path(__file__).with_name("lighthouse.mjs")
PERFECT = ("accessibility", "best-practices", "seo")
OF_ANY_MACHINE = (
    "cumulative-layout-shift",
    "dom-size",
    "duplicated-javascript",
    "font-display",
    "legacy-javascript",
    "redirects",
    "third-party-summary",
    "total-byte-weight",
    "unsized-images",
    "uses-long-cache-ttl",
    "uses-passive-event-listeners",
    "uses-text-compression",
)
"""Audits of performance that say the same on every machine."""


def reports(console: Console, addresses: Sequence[str]) -> list[dict[str, Any]]:
    """Let Lighthouse load pages in one browser, as a logged-in administrator, but the login as a stranger."""
    cookie = f"telemetry_session={console.session_cookie()}"
    pages = [{"url": it, "cookie": "" if it.endswith("/login") else cookie} for it in addresses]
    command = ["node", str(SCRIPT), str(MODULES), browser_path(), *map(json.dumps, pages)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_SECONDS)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [it["finalDisplayedUrl"] for it in found] == list(addresses)
    return found


def slow(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return the pages with less than 100 for performance."""
    return [it["finalDisplayedUrl"] for it in found if it["categories"]["performance"]["score"] < 1]


def imperfect(found: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return which audits are less than perfect, and why; None is what does not apply to the page."""
    audits = [found["audits"][name] for name in names]
    return [f"{it['id']}: {it['title']} {it.get('displayValue', '')}" for it in audits if it["score"] not in (None, 1)]


@pytest.mark.timeout(2 * TIMEOUT_SECONDS + 60)
@pytest.mark.skipif(
    not ((MODULES / "lighthouse").exists() and shutil.which("node")),
    reason="no Node, so .ci/node/install installs no Lighthouse",
)
@pytest.mark.long
def test_lighthouse_finds_nothing_to_improve(ready: Console) -> None:
    failed_and_sent(ready)
    pages = [*(ready.tab + view for view in VIEWS), f"{ready.url}/login"]
    found = reports(ready, pages)
    for page, it in zip(pages, found, strict=True):
        assert "runtimeError" not in it, page
        weighed = [one["id"] for name in PERFECT for one in it["categories"][name]["auditRefs"] if one["weight"]]
        assert imperfect(it, weighed) == [], page
        assert [it["categories"][name]["score"] for name in PERFECT] == [1, 1, 1], page
        assert imperfect(it, OF_ANY_MACHINE) == [], page
        assert it["audits"]["total-byte-weight"]["numericValue"] < FIRST_VIEW_BYTES, page
    again = slow(found)
    assert not again or not slow(reports(ready, again))

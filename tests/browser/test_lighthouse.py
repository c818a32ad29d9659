"""Lighthouse finds nothing to improve in the overview of someone who is logged in.

Three of its four categories do not depend on the machine and have to be 100. Performance is partly a measurement of how
fast this machine is just now: what does not depend on that has to be perfect, and the rest good by Lighthouse's own
words (90). On a machine that does nothing else, it is 100.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.browser.console import Console
from tests.browser.test_history import failed_and_sent
from tests.support.browser import browser_path

LIGHTHOUSE = Path(__file__).parents[2] / ".venv" / "node" / "node_modules" / ".bin" / "lighthouse"
CHROME_FLAGS = "--headless --no-sandbox --disable-dev-shm-usage --disable-gpu --disable-background-networking"
GOOD = 0.9
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


def report(console: Console, folder: Path) -> dict[str, Any]:
    """Let Lighthouse load the overview as a logged-in administrator."""
    cookie = {"Cookie": f"telemetry_session={console.session_cookie()}"}
    command = [str(LIGHTHOUSE), console.tab, "--quiet", "--preset=desktop", "--no-enable-error-reporting"]
    command += ["--output=json", f"--output-path={folder / 'report.json'}", f"--chrome-flags={CHROME_FLAGS}"]
    environment = {**os.environ, "CHROME_PATH": browser_path(), "NO_UPDATE_NOTIFIER": "1"}
    subprocess.run([*command, f"--extra-headers={json.dumps(cookie)}"], env=environment, check=True, timeout=110)
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def imperfect(found: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return which audits are less than perfect, and why; None is what does not apply to the page."""
    audits = [found["audits"][name] for name in names]
    return [f"{it['id']}: {it['title']} {it.get('displayValue', '')}" for it in audits if it["score"] not in (None, 1)]


@pytest.mark.skipif(
    not (LIGHTHOUSE.exists() and shutil.which("node")), reason="no Node, so .ci/node/install installs no Lighthouse"
)
@pytest.mark.long
def test_lighthouse_finds_nothing_to_improve(ready: Console, tmp_path: Path) -> None:
    failed_and_sent(ready)
    found = report(ready, tmp_path)
    assert found["finalDisplayedUrl"] == ready.tab
    assert "runtimeError" not in found
    weighed = {name: [it["id"] for it in found["categories"][name]["auditRefs"] if it["weight"]] for name in PERFECT}
    assert [it for audits in weighed.values() for it in imperfect(found, audits)] == []
    assert [found["categories"][name]["score"] for name in PERFECT] == [1, 1, 1]
    assert imperfect(found, OF_ANY_MACHINE) == []
    assert found["categories"]["performance"]["score"] >= GOOD

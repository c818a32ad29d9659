"""The demo as its user meets it: started, looked at, stopped with Ctrl-C, and started again."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from telemetry_service.reference.journal import JournalEntry, read_journal
from tests.support.lonely_python import lonely_python
from tests.support.program import Program

# Some start it twice, and a busy machine takes its time.
pytestmark = [pytest.mark.timeout(400), pytest.mark.waits]

LAST_LINE = "Press Ctrl-C to stop it"


class Visitor:
    """Somebody who has read what the demo printed."""

    def __init__(self, folder: Path, printed: str) -> None:
        self.folder = folder / "demo-data"
        self.printed = printed
        self.url = self._printed(r"Address +(http://127\.0\.0\.1:\d+)")
        self.password = self._printed(r"Password +(\S+)")
        self._token = (self.folder / "admin-token").read_text().strip()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        return self._call("GET", path)

    def post(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        return self._call("POST", path)

    def download(self, path: str) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.url}{path}"
        return httpx.get(url, headers=headers, trust_env=False, timeout=60).raise_for_status().content

    def history(self) -> list[dict[str, Any]]:
        found = self.get("/history?limit=100")["transmissions"]
        return [self.get(f"/history/{item['transmission_id']}") for item in found]

    def journal(self) -> dict[str, JournalEntry]:
        entries = read_journal(self.folder / "license-server" / "license-server.sqlite3")
        return {str(entry.transmission_id): entry for entry in entries}

    def try_out(self, number: int) -> list[list[str]]:
        """Return the commands under a number of *What to try*, as a shell would split them."""
        part = self.printed.partition(f"  {number}. ")[2].partition(f"  {number + 1}. ")[0]
        return [shlex.split(line) for line in part.splitlines() if line.strip().startswith("curl")]

    def _call(self, method: str, path: str) -> Any:  # noqa: ANN401 - any JSON
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.url}/api/v1/telemetry{path}"
        return httpx.request(method, url, headers=headers, trust_env=False, timeout=60).raise_for_status().json()

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        assert found is not None, self.printed
        return found[1]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    with Program("demo", "--port", "0", folder=tmp_path) as running:
        yield running


def test_two_months_were_lived_what_it_offers_works_and_its_ledger_verifies_elsewhere(
    demo: Program, tmp_path: Path
) -> None:
    visitor = Visitor(tmp_path, demo.wait_for_output(LAST_LINE))
    assert_two_months_were_lived(visitor)
    assert_ledger_verifies_on_a_machine_without_the_service(visitor, tmp_path)
    assert_what_it_offers_to_try_works(visitor, tmp_path)
    assert_commands_run_over_it(visitor, tmp_path)
    assert demo.stop(signal.SIGINT) == 0


def assert_two_months_were_lived(visitor: Visitor) -> None:
    """The License Server has all that was accepted in them."""
    history = visitor.history()
    journal = visitor.journal()

    accepted = [item for item in history if item["status"] == "success"]
    assert {item["transmission_id"] for item in accepted} == set(journal)
    assert all(item["receipt_verified"] for item in accepted)
    assert {"scheduled", "manual"} == {item["trigger"] for item in history}
    met = {attempt["cause"]["code"] for item in history for attempt in item["attempts"] if attempt["cause"]}
    assert met == {"busy", "connection_lost", "api_key_not_accepted", "response_malformed"}
    assert any(attempt["duplicate"] for item in history for attempt in item["attempts"])
    ages = [item["created_at"] for item in history]
    assert ages == sorted(ages, reverse=True)
    payloads = [json.loads(entry.payload) for entry in journal.values()]
    assert max(payload["bouncer_pairs"]["total_pairs"] for payload in payloads) >= 12
    assert {code for payload in payloads for code in payload["redeemed_extension_codes"]}
    assert {payload["tier"] for payload in payloads} == {"trial"}

    preview = visitor.get("/preview")
    assert preview["figures"]["total_events"] > 0
    assert preview["payload"]["redeemed_extension_codes"]


def assert_ledger_verifies_on_a_machine_without_the_service(visitor: Visitor, folder: Path) -> None:
    (folder / "ledger.zip").write_bytes(visitor.download("/api/v1/ledger/export"))
    (folder / "verify_ledger.py").write_bytes(visitor.download("/api/v1/ledger/verifier"))
    with zipfile.ZipFile(folder / "ledger.zip") as export:
        keys = json.loads(export.read("keys.json"))
    given = ["--ledger-key", keys["ledger_key"]["public_key"]]
    given += ["--vendor-key", keys["license_server_keys"][0]["public_key"]]
    command = [str(lonely_python(folder / "lonely")), "-I", "verify_ledger.py", "ledger.zip", *given]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    accepted = [item for item in visitor.history() if item["status"] == "success"]
    assert f"Receipts verified: {len(accepted)}" in ended.stdout


def assert_what_it_offers_to_try_works(visitor: Visitor, folder: Path) -> None:
    (failed,) = [item for item in visitor.history() if item["status"] == "failed"]
    retried = visitor.post(f"/history/{failed['transmission_id']}/retry")
    assert retried["status"] == "success"

    (show_journal,) = visitor.try_out(3)
    break_it, repair_it = visitor.try_out(4)
    sent = visitor.post("/send-now")
    assert sent["status"] == "success"
    assert sent["transmission_id"] in curl(show_journal, folder)

    curl(break_it, folder)
    broken = visitor.post("/send-now")
    assert broken["cause"]["code"] == "busy"
    curl(repair_it, folder)
    assert visitor.post(f"/history/{broken['transmission_id']}/retry")["status"] == "success"


def assert_commands_run_over_it(visitor: Visitor, folder: Path) -> None:
    offered = visitor.printed.partition("  6. ")[2].splitlines()[1].strip()
    assert offered == "(. demo-data/environment; telemetry-service ledger verify)"
    assert (folder / "demo-data" / "environment").stat().st_mode & 0o777 == 0o600
    here = offered.replace("telemetry-service", f"{sys.executable} -m telemetry_service.cli")
    ended = subprocess.run(["/bin/sh", "-c", here], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    accepted = [item for item in visitor.history() if item["status"] == "success"]
    assert f"Receipts verified: {len(accepted)}" in ended.stdout


def curl(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_ctrl_c_and_a_kill_leave_nothing_behind_and_it_goes_on_where_it_stopped(demo: Program, tmp_path: Path) -> None:
    first = Visitor(tmp_path, demo.wait_for_output(LAST_LINE))
    before = [item["transmission_id"] for item in first.history()]
    assert demo.stop(signal.SIGINT) == 0
    assert "Traceback" not in demo.errors
    assert demo.output.rstrip().endswith("The demo has stopped.")
    assert_gone(tmp_path)

    with Program("demo", "--port", "0", folder=tmp_path) as again:
        second = Visitor(tmp_path, again.wait_for_output(LAST_LINE))
        assert second.password == first.password
        assert [item["transmission_id"] for item in second.history()] == before
        assert second.post("/test-connection")["ok"] is True
        again.process.kill()
        again.process.wait()
    assert_gone(tmp_path)

    with Program("demo", "--port", "0", "--source", folder=tmp_path) as after_the_kill:
        third = Visitor(tmp_path, after_the_kill.wait_for_output(LAST_LINE))
        assert [item["transmission_id"] for item in third.history()] == before
        assert_its_source_is_counted(third, tmp_path)
        assert after_the_kill.stop(signal.SIGTERM) == 0
    assert_gone(tmp_path)


def assert_its_source_is_counted(visitor: Visitor, folder: Path) -> None:
    """It fills up meanwhile, and the command that the demo prints catches up on what was there before."""
    until = time.monotonic() + 60
    while not visitor.get("/source")["rows"] and time.monotonic() < until:
        time.sleep(0.5)
    said = visitor.get("/source")
    assert said["rows"] > 0
    assert (said["obstacle"], said["catch_up"]) == (None, None)
    (offered,) = re.findall(r"^ +\((\. .*telemetry-service source catch-up .*)\)$", visitor.printed, re.MULTILINE)
    caught_up = subprocess.run(
        ["/bin/sh", "-c", f"{offered} --yes"],
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert caught_up.returncode == 0, caught_up.stderr
    assert "Catching up" in caught_up.stderr
    assert visitor.get("/source")["catch_up"]["finished"]


def test_a_demo_that_was_stopped_before_its_past_was_complete_starts_over(demo: Program, tmp_path: Path) -> None:
    demo.wait_for_error("two months")
    assert demo.stop(signal.SIGINT) == 0
    assert "Traceback" not in demo.errors
    assert_gone(tmp_path)
    with Program("demo", "--port", "0", folder=tmp_path) as again:
        visitor = Visitor(tmp_path, again.wait_for_output(LAST_LINE))
        assert len(visitor.history()) >= 8


def test_one_demo_at_a_time_runs_in_a_folder(demo: Program, tmp_path: Path) -> None:
    demo.wait_for_error("two months")
    with Program("demo", "--port", "0", folder=tmp_path) as second:
        assert second.process.wait(150) == 1
        assert "A demo is already running in" in second.errors


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "demo-data"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    with Program("demo", "--port", "0", "--fresh", folder=tmp_path) as refused:
        assert refused.process.wait(150) == 1
        assert "contains something other than a demo" in refused.errors
    assert (folder / "letter.txt").read_text() == "dear"


_WITHOUT_THE_REPORTER = """
import sys
from telemetry_service.cli import main
sys.modules["control_core_telemetry_reporter"] = None
sys.argv[1:] = ["demo"]
main()
"""


def test_without_the_reporter_it_says_what_to_install_and_leaves_no_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WITHOUT_THE_REPORTER]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "control-core-telemetry[demo]" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def assert_gone(folder: Path) -> None:
    """No process of the demo is left: none has the folder in its command line, its environment or its files."""
    patience = time.monotonic() + 20
    while left := [process for process in Path("/proc").glob("[0-9]*") if _knows(process, str(folder))]:
        assert time.monotonic() < patience, left
        time.sleep(0.05)


def _knows(process: Path, folder: str) -> bool:
    try:
        return str((process / "cwd").readlink()).startswith(folder)
    except OSError:
        return False

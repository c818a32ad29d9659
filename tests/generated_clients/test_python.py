"""A client for Python (openapi-python-client): it is made without a loss, and reads every response of the story."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.programs import needs
from tests.support.running import Running

PLACE = Path(__file__).parents[2] / ".venv" / "clients" / "bin"
STORY = Path(__file__).with_name("story.py")

pytestmark = needs((PLACE / "openapi-python-client").exists(), "its generator is missing (make test installs it)")

FROM_THE_STORY = """
added 1
accepted 3 True environment-differs
license starter
refused False [1] True
patched True
lost 3000000000
dry run ConsequencesResponse 3000000000
preview 3000000000 3000000000
sent success 3000000000 true
retried success
listed success 1 3000000000
message True
pages 1
health healthy
fields True
ledger True
verified True
tokens True
revoked 204
ready True
"""

ELSEWHERE = {
    *("get_sessions", "delete_sessions", "delete_session"),  # Only for browsers.
    *("post_release", "post_withdraw", "post_accept_without_receipt", "post_restored"),  # Nothing waits.
    *("post_bundle", "post_receipts"),  # Payloads are sent online.
    *("get_payload_as_sent", "get_body_as_sent", "get_ledger_export", "get_entries_export", "get_verifier"),  # Files.
}
"""What the story does not call. The types of these calls are made and imported all the same."""


def run(*command: str | Path, folder: Path) -> str:
    """Run a program, and return what it prints."""
    environment = {"PATH": f"{PLACE}:/usr/bin:/bin", "PYTHONPATH": str(folder), "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def calls_in(description: dict[str, Any]) -> set[str]:
    """Return the names of all calls."""
    return {call["operationId"] for path in description["paths"].values() for call in path.values()}


def test_a_client_for_python_is_made_whole_and_tells_the_story(
    connected: Running, document: Path, given: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "config.yaml").write_text("post_hooks: []\n")
    options = ("--path", document, "--config", "config.yaml", "--meta", "none")
    made = run(PLACE / "openapi-python-client", "generate", *options, folder=folder)
    assert "WARNING" not in made.replace("WARNING parsing GET /api/v1/ledger/export within ledger.", ""), made
    printed = run(PLACE / "python", STORY, *given, folder=folder).splitlines()
    assert printed[:-1] == FROM_THE_STORY.split("\n")[1:-1]
    called = set(json.loads(printed[-1]))
    assert called | ELSEWHERE == calls_in(connected.call(None, "GET", "openapi.json").json())
    assert not called & ELSEWHERE

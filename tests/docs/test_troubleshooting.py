"""Whoever meets a code finds its entry."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_service.domain import errors
from telemetry_service.domain.outcome import EXPLANATIONS, Cause
from telemetry_service.domain.verdict import judge
from tests.support.each import each
from tests.support.situations import situations

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()


@each("cause", list(Cause))
def test_each_cause_has_an_entry_with_its_sentence(cause: Cause) -> None:
    entry = PAGE.partition(f"### `{cause.value}`\n")[2].partition("###")[0]
    explanation = EXPLANATIONS[cause]
    assert explanation.sentence in entry
    assert explanation.next_step in entry


def test_each_state_of_health_has_an_entry() -> None:
    causes = {cause.value for cause in Cause}
    named = {judge(situation).health.code for situation in situations()} - causes
    assert {"ok", "waiting_rejected", "api_key_unusable"} <= named
    for code in named:
        assert f"### `{code}`\n" in PAGE, code


def test_each_error_has_a_row_with_its_sentence() -> None:
    named = [kind for kind in vars(errors).values() if isinstance(kind, type) and "code" in vars(kind)]
    kinds = [kind for kind in named if issubclass(kind, errors.TelemetryError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert re.search(rf"^\| `{kind.code}` \|.*{re.escape(kind.sentence)}", PAGE, re.MULTILINE), kind.code


@pytest.mark.parametrize("script", ["payload_page.py", "troubleshooting_page.py", "log_events_table.py"])
def test_the_generated_pages_are_current(script: str) -> None:
    command = [sys.executable, str(ROOT / ".ci" / script), "--check"]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr

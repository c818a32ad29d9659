"""CI fails where a program of the tests is missing; elsewhere, their tests are skipped."""

import re
from pathlib import Path

import pytest

from tests.support.programs import ProgramMissingError, needs

TESTS = Path(__file__).parents[1]
_INSTALLED = re.compile(r"(?:skipif|pytest\.skip)\([^\n]*\n?[^\n]*(?:not installed|make test|is missing)")


def test_a_missing_program_is_a_reason_to_skip_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert [needs(found, "is missing").args for found in (None, "/usr/bin/it")] == [(True,), (False,)]
    monkeypatch.setenv("CI", "true")
    assert needs("/usr/bin/it", "is missing").args == (False,)
    with pytest.raises(ProgramMissingError, match="is missing"):
        needs(None, "is missing")


def test_no_test_asks_for_a_program_in_another_way() -> None:
    others = {file for file in TESTS.rglob("*.py") if _INSTALLED.search(file.read_text())}
    allowed = {TESTS / "bundles" / "test_silence.py", TESTS / "reliability" / "test_disk_faults.py"}
    rehearsals = set((TESTS / "rehearsal").glob("*.py"))  # Run by hand, and not by CI.
    assert others - rehearsals - {Path(__file__)} == allowed, "strace may be there and yet not be allowed to look"

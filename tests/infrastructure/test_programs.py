"""CI fails where a program of the tests is missing; elsewhere, their tests are skipped."""

import re
from pathlib import Path

import pytest

from tests.support.programs import ProgramMissingError, needs, require

TESTS = Path(__file__).parents[1]
_INSTALLED = re.compile(
    r"(?:skipif|pytest\.skip)\([^\n]*\n?[^\n]*(?:not installed|make test|is missing|not allow|may not)"
)


def test_a_missing_program_is_a_reason_to_skip_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert [needs(found, "is missing").args for found in (None, "/usr/bin/it")] == [(True,), (False,)]
    with pytest.raises(pytest.skip.Exception, match="is missing"):
        require(None, "is missing")
    monkeypatch.setenv("CI", "true")
    assert needs("/usr/bin/it", "is missing").args == (False,)
    for ask in (needs, require):
        with pytest.raises(ProgramMissingError, match="is missing"):
            ask(None, "is missing")


def test_no_test_asks_for_a_program_in_another_way() -> None:
    others = {file for file in TESTS.rglob("*.py") if _INSTALLED.search(file.read_text())}
    rehearsals = set((TESTS / "rehearsal").glob("*.py"))  # Run by hand, and not by CI.
    assert others - rehearsals - {Path(__file__)} == set()

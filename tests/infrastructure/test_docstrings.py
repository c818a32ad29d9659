"""Docstrings follow one convention, Google's: errors stand in a section, and names between backticks."""

import re
from pathlib import Path

SOURCE = Path("src/telemetry_service")
SPHINX_ROLE = re.compile(r":(?:class|func|meth|data|attr|mod|exc):`|:(?:param|returns?|raises)\b")


def test_no_docstring_is_written_in_another_convention() -> None:
    found = [str(path) for path in SOURCE.rglob("*.py") if SPHINX_ROLE.search(path.read_text())]
    assert found == []


def test_no_docstring_ends_with_an_empty_line() -> None:
    found = [str(path) for path in SOURCE.rglob("*.py") if re.search(r'\n\n +"""\n', path.read_text())]
    assert found == []

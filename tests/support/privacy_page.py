"""The tables of docs/privacy.md, read back: what a capture is compared with."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"
_FORMS = {
    "<host>": r"[a-z0-9.\[\]:-]+",
    "<path>": r"/base",
    "<port>": r"[0-9]{1,5}",
    "<UUID>": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "<Unix seconds>": r"[0-9]{10}",
    "<signature>": r"[A-Za-z0-9+/]{43}=",
    "<key ID>": r"[0-9a-f]{16}",
    "<version>": r"[0-9]+\.[0-9]+\.[0-9]+",
    "<digest>": r"[0-9a-f]{64}",
    "<bytes>": r"[0-9]+",
    "<credentials>": r"[A-Za-z0-9+/]+=*",
}
"""What a placeholder of the page stands for. One that is not here matches nothing but itself."""


@dataclass(frozen=True, slots=True)
class Header:
    """A row about a header."""

    name: str
    values: str
    """A regular expression of the values that the page allows."""
    sent_with: str


def table(first_column: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this title."""
    found = re.search(rf"^\| {re.escape(first_column)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    assert found, first_column
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found.group(1).splitlines()]


def headers(first_column: str = "header") -> list[Header]:
    """Return the rows of a table of headers, in their order."""
    return [Header(literals(name)[0], _values(value), rest[0]) for name, value, *rest in table(first_column)]


def literals(cell: str) -> list[str]:
    """Return what a cell has as code."""
    return re.findall(r"`([^`]+)`", cell)


def request_lines() -> list[str]:
    """Return the regular expressions of the request lines that the page lists."""
    found: list[str] = re.findall(r"`((?:POST|CONNECT) [^`]+)`", PAGE.read_text())
    return [form_of(" ".join(line.split())) for line in found]


def form_of(literal: str) -> str:
    """Return the regular expression of a literal with placeholders."""
    parts = re.split(r"(<[^>]+>)", literal)
    return "".join(_FORMS.get(part, re.escape(part)) for part in parts)


def _values(cell: str) -> str:
    return "|".join(form_of(literal) for literal in literals(cell))

"""Writes docs/payload.md from the payload's own schema; with --check it only says whether the page is current."""

import json
import sys
from pathlib import Path

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary

PAGE = Path(__file__).parent.parent / "docs" / "payload.md"
HEAD = """# Every field that can be sent

This page is generated from the payload's schema (`make docs`). The API (`GET /api/v1/telemetry/dictionary`) and the
settings tab show the same entries. The schema is closed: a field that is not in this table cannot be sent.

| field | meaning | why it is collected | where it comes from | type | example |
|---|---|---|---|---|---|
"""


def row(entry: FieldEntry) -> str:
    """Return a field's line of the table."""
    example = json.dumps(entry.example, ensure_ascii=False)
    cells = (f"`{entry.name}`", entry.meaning, entry.why, entry.source, f"`{entry.type}`", f"`{example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main() -> int:
    """Write the page, or with ``--check`` return 1 where it is not current."""
    page = HEAD + "".join(row(entry) for entry in field_dictionary())
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page)
        return 0
    if PAGE.read_text() != page:
        print("docs/payload.md is out of date: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

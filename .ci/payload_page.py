"""Writes docs/payload.md from the current payload schema; with --check it only says whether the page is current."""

import json
import sys
from collections.abc import Iterator

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.schema import ObjectType
from written import ROOT, write_or_check

PAGE = ROOT / "docs" / "payload.md"
HEAD = """# Every field that can be sent

This page is generated from the payload's schema (`make docs`). The API (`GET /api/v1/telemetry/dictionary`) and the
settings tab show the same entries. The schema is closed: a field that is not in this table cannot be sent.

The schema is also a file, named by its SHA-256: `{sha256}`.
The package contains it and those of earlier releases, in `telemetry_service/domain/payload_schemas/published/`. So a
payload can be read by the schema that it was prepared with, whatever has changed since.

## Fields
| field | meaning | why it is collected | where it comes from | type | example |
|---|---|---|---|---|---|
"""
RULES = """
## Rules between fields
A payload that breaks one of these is not sent.

"""


def row(entry: FieldEntry) -> str:
    """Return a field's line of the table."""
    example = json.dumps(entry.example, ensure_ascii=False)
    cells = (f"`{entry.name}`", entry.meaning, entry.why, entry.source, f"`{entry.type}`", f"`{example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def rules(declared: ObjectType) -> Iterator[str]:
    """Yield a line for each rule of an object and of those in it."""
    yield from (f"- {rule.meaning}\n" for rule in declared.rules)
    for field in declared.fields:
        if isinstance(field.type, ObjectType):
            yield from rules(field.type)


def page() -> str:
    """Return the page."""
    schema = current_schema()
    fields = "".join(row(entry) for entry in field_dictionary())
    return HEAD.format(sha256=schema.sha256) + fields + RULES + "".join(rules(schema.root))


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}))

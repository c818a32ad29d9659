"""Writes the table of the log's events into docs/operations.md; with --check it only says whether it is current."""

import logging
import sys
from collections.abc import Iterator

from telemetry_service.log.events import EVENTS, Limit
from telemetry_service.log.fields import FIELDS
from telemetry_service.log.start_warnings import SENTENCES
from written import ROOT, between, write_or_check

PAGE = ROOT / "docs" / "operations.md"


def table() -> Iterator[str]:
    """Yield the lines of both tables."""
    yield "| event | level | fields | meaning |\n|---|---|---|---|\n"
    for event, meaning in EVENTS.items():
        level = logging.getLevelName(meaning.level).lower()
        fields = ", ".join(f"`{name}`" for name in meaning.fields) or "–"
        yield f"| `{event.value}` | {level} | {fields} | {meaning.sentence}{_bound(meaning.limit)} |\n"
    yield "\n| `warning` of a `deployment_warning` | its sentence |\n|---|---|\n"
    for warning, sentence in SENTENCES.items():
        yield f"| `{warning.value}` | {sentence} |\n"
    yield "\n| a field is | and these are |\n|---|---|\n"
    for form in dict.fromkeys(FIELDS.values()):
        yield f"| {form.value} | {', '.join(f'`{name}`' for name, one in FIELDS.items() if one is form)} |\n"


def _bound(limit: Limit | None) -> str:
    if limit is None:
        return ""
    by = " and ".join(f"`{name}`" for name in limit.by)
    span = "a minute" if limit.seconds == 60 else f"in {limit.seconds // 60} minutes"  # noqa: PLR2004 - a minute's
    lines = "line" if limit.each == 1 else "lines"
    return f" At most {limit.each} {lines} for each {by}, and {limit.total} in all, {span}."


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: between(PAGE.read_text(), "The log's events", table())}))

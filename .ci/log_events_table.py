"""Writes the table of the log's events into docs/operations.md; with --check it only says whether it is current."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from telemetry_service.log.events import EVENTS, Event, Limit
from telemetry_service.log.fields import FIELDS
from telemetry_service.log.start_warnings import SENTENCES

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
BEGIN, END = "<!-- The log's events: written by `make docs`. -->\n", "<!-- End of the log's events. -->\n"


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


def page(before: str) -> str:
    """Return the page with its tables rewritten."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "".join(table()) + END + tail


def main() -> int:
    """Write the tables, or with ``--check`` return 1 where they are not current."""
    before = PAGE.read_text()
    if BEGIN not in before or END not in before or set(EVENTS) != set(Event):
        print(f"docs/operations.md lacks the place of the table: {BEGIN}", file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(before))
        return 0
    if before != page(before):
        print("The table of the log's events is not what the code says: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

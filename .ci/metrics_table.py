"""Writes the table of the metrics into docs/monitoring.md; with --check it only says whether it is current."""

import sys
from collections.abc import Iterator
from pathlib import Path

from telemetry_service.web.metrics.names import METRICS, Name, Type

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
BEGIN, END = "<!-- The metrics: written by `make docs`. -->\n", "<!-- End of the metrics. -->\n"


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| metric | type | labels | meaning |\n|---|---|---|---|\n"
    for name, meaning in METRICS.items():
        shown = f"{name}_total" if meaning.type is Type.COUNTER else name
        labels = ", ".join(f"`{label}`" for label in meaning.labels) or "–"
        yield f"| `{shown}` | {meaning.type} | {labels} | {meaning.text} |\n"


def page(before: str) -> str:
    """Return the page with its table rewritten."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "".join(table()) + END + tail


def main() -> int:
    """Write the table, or with ``--check`` return 1 where it is not current."""
    before = PAGE.read_text()
    if BEGIN not in before or END not in before or set(METRICS) != set(Name):
        print(f"docs/monitoring.md lacks the place of the table: {BEGIN}", file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(before))
        return 0
    if before != page(before):
        print("The table of the metrics is not what the code says: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

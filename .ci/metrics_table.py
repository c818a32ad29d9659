"""Writes the table of the metrics into docs/monitoring.md; with --check it only says whether it is current."""

import sys
from collections.abc import Iterator

from telemetry_service.web.metrics.names import METRICS, Type
from written import ROOT, between, write_or_check

PAGE = ROOT / "docs" / "monitoring.md"


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| metric | type | labels | meaning |\n|---|---|---|---|\n"
    for name, meaning in METRICS.items():
        shown = f"{name}_total" if meaning.type is Type.COUNTER else name
        labels = ", ".join(f"`{label}`" for label in meaning.labels) or "–"
        yield f"| `{shown}` | {meaning.type} | {labels} | {meaning.text} |\n"


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: between(PAGE.read_text(), "The metrics", table())}))

"""The table of goals: all rows as ratios, in one run, into docs/performance.md and a plot beside it.

Run it with ``python -m benchmarks.goals``, or ``--print`` to write nothing.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import Row, all_rows

_DOCS = Path(__file__).parent.parent / "docs"
_PAGE, _PLOT = _DOCS / "performance.md", _DOCS / "performance.svg"
_BEGIN, _END = "<!-- measured by python -m benchmarks.goals -->", "<!-- end -->"
_HEAD = "| work | reference | ratio | goal |\n|---|---|---:|---:|"

_WIDTH, _LABELS, _LINE, _LEAST, _MOST = 820, 400, 24, 0.1, 40.0


def cells_of(row: Row) -> str:
    """Return the line of a row in the table."""
    ratios, sign = sorted(row.ratios), "≥" if row.speed else "≤"
    figures = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})"
    return f"| {row.name} | {row.reference} | {figures} | {sign} {row.goal:g} |"


def table_of(rows: Sequence[Row]) -> str:
    """Return the table."""
    return "\n".join([_HEAD, *map(cells_of, rows)])


def plot_of(rows: Sequence[Row]) -> str:
    """Return the plot: for each row its range, its median, and its goal, on a logarithmic scale."""
    height = _LINE * (len(rows) + 1)
    lines = [_drawn(row, _LINE * (index + 1)) for index, row in enumerate(rows)]
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    title = "<title>Ratios to the references: range, median (dot), and goal (bar)</title>"
    return "\n".join([head, title, f'<rect {size} fill="white"/>', *lines, "</svg>"]) + "\n"


def _drawn(row: Row, y: int) -> str:
    ratios = sorted(row.ratios)
    median, goal = statistics.median(ratios), _x(row.goal)
    least, most = _x(ratios[0]), _x(ratios[-1])
    met = median >= row.goal if row.speed else median <= row.goal
    color = "#157f3b" if met else "#b45309"
    return (
        f'<text x="8" y="{y + 4}">{row.name}</text>'
        f'<line x1="{least:.0f}" x2="{most:.0f}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2"/>'
        f'<circle cx="{_x(median):.0f}" cy="{y}" r="4" fill="{color}"/>'
        f'<line x1="{goal:.0f}" x2="{goal:.0f}" y1="{y - 8}" y2="{y + 8}" stroke="black" stroke-width="2"/>'
    )


def _x(ratio: float) -> float:
    share = math.log(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LABELS + share * (_WIDTH - _LABELS - 12)


def main() -> None:
    """Read the options, measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    rows = []
    for row in all_rows(options.rounds):
        print(cells_of(row), flush=True)
        rows.append(row)
    if not options.print:
        before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        _PAGE.write_text(f"{before}{_BEGIN}\n{table_of(rows)}\n{_END}{after}", encoding="utf-8")
        _PLOT.write_text(plot_of(rows), encoding="utf-8")


if __name__ == "__main__":
    main()

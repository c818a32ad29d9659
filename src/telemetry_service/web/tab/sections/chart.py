"""The chart of events per day, as figures for a static SVG and as sentences for those who do not see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telemetry_service.domain.periods import DayCount
from telemetry_service.web.tab.filters import counted, grouped
from telemetry_service.web.tab.filters import day as day_words

WIDTH, HEIGHT = 100, 168
"""Percent across, so that the bars follow the page's width while the words keep their size; pixels down."""

_TOP, _BOTTOM = 10, 24
_LONGEST_DAYS = 62
_WIDEST_BAR = 4.0
_LABELS = 6
_SCALES = ((10, 2), (10, 1), (15, 3), (20, 4), (20, 2), (25, 5), (30, 3), (40, 4), (50, 5), (60, 3), (80, 4))
"""Tenths that the scale may end at, times a power of ten, and into how many even parts its grid divides them."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: two rectangles, production below sandbox. Across in percent, down in pixels."""

    x: float
    width: float
    production_y: float
    production_height: float
    sandbox_y: float
    sandbox_height: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid with its label."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a day below its bar."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the SVG draws, and the same in words."""

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    summary: str
    rows: tuple[tuple[str, str, str], ...]
    """Day, sandbox events, production events."""


def chart(counts: Sequence[DayCount], opened_at: datetime, now: datetime) -> Chart | None:
    """Return the chart of a period; None where nothing was counted."""
    if not any(c.sandbox_events + c.production_events for c in counts):
        return None
    days = _every_day(counts, opened_at.date(), now.date())
    top, parts = scale_of(max(c.sandbox_events + c.production_events for c in days))
    slot = WIDTH / len(days)
    scale = (HEIGHT - _TOP - _BOTTOM) / top
    return Chart(
        bars=tuple(_bar(index, count, slot, scale) for index, count in enumerate(days)),
        lines=tuple(_line(value, scale) for value in range(0, top + 1, top // parts)),
        labels=_labels(days, slot),
        summary=_summary(days),
        rows=tuple((day_words(c.day), grouped(c.sandbox_events), grouped(c.production_events)) for c in days),
    )


def _every_day(counts: Sequence[DayCount], first: date, last: date) -> tuple[DayCount, ...]:
    """Fill the days without a count with zero, so that a quiet day is seen; at most two months."""
    known = {c.day: c for c in counts}
    first = max(min(first, *known), max(last, *known) - timedelta(days=_LONGEST_DAYS - 1))
    last = max(last, *known)
    span = (last - first).days + 1
    days = (first + timedelta(days=n) for n in range(span))
    return tuple(known.get(d) or DayCount(d, 0, 0, 0, 0) for d in days)


def _floor() -> int:
    return HEIGHT - _BOTTOM


def _bar(index: int, count: DayCount, slot: float, scale: float) -> Bar:
    width = min(slot * 0.7, _WIDEST_BAR)
    production, sandbox = count.production_events * scale, count.sandbox_events * scale
    split = f"{grouped(count.production_events)} production, {grouped(count.sandbox_events)} sandbox"
    return Bar(
        x=round(slot * index + (slot - width) / 2, 2),
        width=round(width, 2),
        production_y=round(_floor() - production, 1),
        production_height=round(production, 1),
        sandbox_y=round(_floor() - production - sandbox, 1),
        sandbox_height=round(sandbox, 1),
        title=f"{day_words(count.day)}: {split}",
    )


def _line(value: int, scale: float) -> Line:
    return Line(round(_floor() - value * scale, 1), _short(value))


def _labels(days: Sequence[DayCount], slot: float) -> tuple[Label, ...]:
    every = max(1, -(-len(days) // _LABELS))
    return tuple(
        Label(round(slot * (index + 0.5), 1), day_words(count.day).rpartition(" ")[0])
        for index, count in enumerate(days)
        if index % every == 0
    )


def scale_of(largest: int) -> tuple[int, int]:
    """Return where the scale ends, and into how many parts its grid divides it: little of it stays empty.

    Every line of the grid is a whole number, for there are no half events.
    """
    tenth = 1
    while True:
        for tenths, parts in _SCALES:
            end, rest = divmod(tenths * tenth, 10)
            if rest == 0 and end % parts == 0 and largest <= end:
                return end, parts
        tenth *= 10


def _short(value: int) -> str:
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return str(value)


def _summary(days: Sequence[DayCount]) -> str:
    busiest = max(days, key=lambda c: c.sandbox_events + c.production_events)
    total = sum(c.sandbox_events + c.production_events for c in days)
    most = counted(busiest.sandbox_events + busiest.production_events, "event")
    return (
        f"Audit events per UTC day: {counted(total, 'event')} over {counted(len(days), 'day')},"
        f" most on {day_words(busiest.day)} with {most}."
    )

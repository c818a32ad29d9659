"""The chart of events per day as figures for a static SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telemetry_service.domain.periods import DayCount

WIDTH, HEIGHT = 100, 168
"""Horizontal values are percentages, so that the bars follow the page's width while text keeps its size; vertical
values are pixels."""

_TOP, _FLOOR = 10, HEIGHT - 24
_LONGEST_DAYS = 62
_WIDEST_BAR = 4.0
_LABELS = 6
_SCALES = ((10, 2), (10, 1), (12, 3), (15, 3), (20, 4), (20, 2), (25, 5), (30, 3), (40, 4), (50, 5), (60, 3), (80, 4))
"""Tenths at which the scale may end, times a power of ten, and into how many equal parts its grid divides them."""

_HIGHEST = 96
"""The most of the scale that a bar takes, in percent, so that none touches the top."""
_UNITS = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: two rectangles, production below sandbox. Horizontally in percent, vertically in pixels."""

    of: DayCount
    x: float
    width: float
    production_y: float
    production_height: float
    sandbox_y: float
    sandbox_height: float
    slot_x: float
    slot_width: float
    """The whole column of the day, which is easier to point at than a low bar."""
    unfinished: bool
    """Whether the day is today."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the SVG draws."""

    days: tuple[DayCount, ...]
    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, str], ...]
    """The vertical position of a grid line, and its label."""
    labels: tuple[tuple[float, date], ...]
    """The horizontal position of a day's name below its bar."""


def chart(counts: Sequence[DayCount], opened_at: datetime, now: datetime) -> Chart | None:
    """Return the chart of a period; None if nothing was counted."""
    if not any(count.total_events for count in counts):
        return None
    days = _every_day(counts, opened_at.date(), now.date())
    top, parts = scale_of(max(count.total_events for count in days))
    slot = WIDTH / len(days)
    scale = (_FLOOR - _TOP) / top
    return Chart(
        days=days,
        bars=tuple(_bar(index, count, slot, scale, now.date()) for index, count in enumerate(days)),
        lines=tuple((round(_FLOOR - n * scale, 1), _short(n)) for n in range(0, top + 1, top // parts)),
        labels=_labels(days, slot),
    )


def _every_day(counts: Sequence[DayCount], first: date, last: date) -> tuple[DayCount, ...]:
    """Fill days without a count with zero, so that quiet days are visible; at most two months."""
    known = {c.day: c for c in counts}
    first = max(min(first, *known), max(last, *known) - timedelta(days=_LONGEST_DAYS - 1))
    last = max(last, *known)
    span = (last - first).days + 1
    days = (first + timedelta(days=n) for n in range(span))
    return tuple(known.get(d) or DayCount(d, 0, 0, 0, 0) for d in days)


def _bar(index: int, count: DayCount, slot: float, scale: float, today: date) -> Bar:
    width = min(slot * 0.7, _WIDEST_BAR)
    production, sandbox = count.production_events * scale, count.sandbox_events * scale
    return Bar(
        of=count,
        x=round(slot * index + (slot - width) / 2, 2),
        width=round(width, 2),
        production_y=round(_FLOOR - production, 1),
        production_height=round(production, 1),
        sandbox_y=round(_FLOOR - production - sandbox, 1),
        sandbox_height=round(sandbox, 1),
        slot_x=round(slot * index, 2),
        slot_width=round(slot, 2),
        unfinished=count.day == today,
    )


def _labels(days: Sequence[DayCount], slot: float) -> tuple[tuple[float, date], ...]:
    every = -(-len(days) // _LABELS)
    return tuple((round(slot * (index + 0.5), 1), days[index].day) for index in range(0, len(days), every))


def scale_of(largest: int) -> tuple[int, int]:
    """Return where the scale ends, and into how many parts its grid divides it, leaving little of it empty above a bar.

    Every grid line is a whole number, because there are no half events.
    """
    tenth = 1
    while True:
        for tenths, parts in _SCALES:
            end, rest = divmod(tenths * tenth, 10)
            if rest == 0 and end % parts == 0 and largest * 100 <= end * _HIGHEST:
                return end, parts
        tenth *= 10


def _short(value: int) -> str:
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:g}{unit}"
    return str(value)

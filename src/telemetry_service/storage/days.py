"""The filter by days that the history and the ledger have in common."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement


def within(column: Any, from_day: date | None, to_day: date | None) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - a mapped column
    """Yield the conditions for a time from the first to the last of some UTC days; None sets no bound."""
    if from_day is not None:
        yield column >= _midnight(from_day)
    if to_day is not None:
        yield column < _midnight(to_day + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)

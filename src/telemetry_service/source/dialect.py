"""What PostgreSQL and SQLite do differently when the views are read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from telemetry_service.domain.source import Cursor, Era, Horizon, Snapshot

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The parts of the statements, and the questions that differ."""

    final: str
    """A condition: the row is final."""
    order: tuple[str, ...]
    """What the events are sorted by."""
    position: str
    """The position, as text or number."""
    row_key: str
    """The key, as text."""
    bytes_of: str
    """The size of the text ``{}`` in bytes."""
    odd: str
    """The name of the column whose value is not what the contract says, apart from the texts; else NULL."""
    moment: str
    """When a row occurred, as something that compares with ``moment_of``. NULL if that is not known."""
    moment_of: Callable[[datetime], object]
    redeemed_at: str
    position_of: Callable[[int], object]
    """A position as it is bound."""
    patient: str | None
    """A statement that sets the time limit of this transaction's statements; None where the deadline is enough."""
    rows: int
    """How many rows one step reads."""
    after: Callable[[Cursor], tuple[str, Parameters]]
    """The condition that a row is behind a cursor."""
    behind: Callable[[Any, Any], Cursor]
    """The cursor behind the row with this position and key."""
    there: str
    """A condition: the row was there by the moment of ``:there``."""
    there_now: Callable[[Connection], Snapshot | None]
    """What is there already although it is not final; None for nothing."""
    before: str
    """A condition: the position is below ``:before``."""
    up_to: Callable[[Cursor], tuple[str, Parameters]]
    """The condition that a row is not behind a cursor."""
    at: Callable[[int, str | None], tuple[str, Parameters]]
    """The condition that a row has this position and key."""
    said_at: str
    """When a row occurred, as a text that never changes its form."""
    limit: str
    """Takes the first ``:rows`` rows, and those with the same place as the last of them."""
    repeated: str
    """How many rows of a step have the position of another one, where a position must be one row's alone."""
    era: Callable[[Connection], Era]
    """What a look is made of."""
    horizon: Callable[[Connection], Horizon]
    went_back: Callable[[Connection, Cursor, Horizon], bool]
    """Whether the source shows less than was read."""
    problems: Callable[[Connection], tuple[str, ...]]
    """How the views differ from the documented ones."""
    denied: Callable[[Connection], tuple[str, ...]]
    """Which views may not be read."""
    warnings: Callable[[Connection], tuple[str, ...]]
    """What works, but should be different."""

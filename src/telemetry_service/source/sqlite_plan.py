"""Which tables the positions of a file come from, as SQLite plans to read them.

A plan names tables by their alias. The program of the same statement opens the tables themselves, so it says which
table a step of the plan reads.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from telemetry_service.domain.source import EVENTS

_POSITIONS = f"SELECT position FROM {EVENTS} WHERE position > 0"  # noqa: S608 - our own name
_ROOTS = text("SELECT rootpage, tbl_name FROM sqlite_master WHERE rootpage > 0")
_READS = re.compile(r"(?:SCAN|SEARCH) (?:TABLE )?(?P<name>\S+)(?P<by_key>.*INTEGER PRIMARY KEY \(rowid>\?\))?")
_UNIONS = ("COMPOUND QUERY", "MERGE (")
_OTHER_SIDE = "RIGHT-JOIN"
"""What reads the rows of a RIGHT or FULL JOIN that have no partner."""
_OPENS = ("OpenRead", "ReopenIdx")
_KEYS = ("Rowid", "IdxRowid")
_INTO_SECOND = (*_KEYS, "Copy", "SCopy", "IntCopy", "Move", "Null", "Integer", "Int64", "Real", "String8", "Variable")
"""What writes into the register of its second operand; what else writes does it into that of its third."""
_BEGINS = ("Rewind", "Last", "SeekGE", "SeekGT", "SeekLE", "SeekLT", "SeekRowid", "NotExists")
"""What places a cursor on the first row that a loop reads."""
_ONLY_READS = (*_OPENS, *_BEGINS, "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "IdxLT", "IdxLE", "IdxGT", "IdxGE")


@dataclass(frozen=True, slots=True)
class _Step:
    number: int
    parent: int
    union: bool
    other_side: bool
    name: str | None
    """What it reads, as the plan names it; None if it reads nothing."""
    table: str | None
    """The table that it reads; None for anything else, such as a subquery."""
    by_key: bool


def keyed_tables(connection: Connection) -> set[str]:
    """Return the tables whose key is the position; none if that is not certain."""
    return _Reading(connection).keys()


def searched_tables(connection: Connection) -> set[str]:
    """Return the tables that are searched for a position by their key, so that it may well be the position."""
    return {step.table for step in _Reading(connection).steps() if step.by_key and step.table}


def combined_tables(connection: Connection) -> set[str]:
    """Return the tables whose keys a view combines with UNION or FULL JOIN; none, or only one, if it combines none."""
    found = _Reading(connection)
    if keys := found.keys():
        return keys
    steps = found.steps()
    if any(step.other_side for step in steps):
        return {step.table for step in steps if step.table}
    unions = {step.number for step in steps if step.union}
    arms = [step.number for step in steps if step.parent in unions]
    return {table for arm in arms for table in _keys_of(arm, steps)}


def _keys_of(arm: int, steps: Sequence[_Step]) -> set[str]:
    """Return where a part of a union takes its keys from.

    A join begins with that table. If it begins with a subquery, each table in it is one that may give the keys.
    """
    within = _within(arm, steps)
    if keyed := {step.table for step in within if step.by_key and step.table}:
        return keyed
    first = next((step for step in within if step.parent == arm and step.name), None)
    if first is not None and first.table:
        return {first.table}
    return {step.table for step in within if step.table} or {step.name for step in within if step.name}


def _within(number: int, steps: Iterable[_Step]) -> list[_Step]:
    """Return the steps below one, which come behind it in the plan."""
    inside, found = {number}, []
    for step in steps:
        if step.parent in inside:
            inside.add(step.number)
            found.append(step)
    return found


class _Reading:
    """How SQLite reads the positions."""

    def __init__(self, connection: Connection) -> None:
        """Let SQLite plan it."""
        self._plan = sorted(tuple(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {_POSITIONS}").all())
        self._program = [tuple(row) for row in connection.exec_driver_sql(f"EXPLAIN {_POSITIONS}").all()]
        self._opened = self._tables_of_cursors(connection)

    def _tables_of_cursors(self, connection: Connection) -> dict[int, str]:
        """Return the table of each cursor, also if it is the cursor of an index."""
        roots = {int(root): str(table) for root, table in connection.execute(_ROOTS).all()}
        opened = [(cursor, roots.get(root)) for _, name, cursor, root, *_ in self._program if name in _OPENS]
        return {cursor: table for cursor, table in opened if table}

    def keys(self) -> set[str]:
        """Return the tables whose keys are the result as they are; none if that is not certain of each result."""
        found, begin = set(), 0
        for end, (_, name, result, *_) in enumerate(self._program):
            if name == "ResultRow":
                found.add(self._key_in(result, self._program[begin:end]))
                begin = end
        return {table for table in found if table} if None not in found else set()

    def _key_in(self, register: int, program: Iterable[Sequence[Any]]) -> str | None:
        """Return the table whose key, and nothing else, comes into a register."""
        into = [
            (name, first)
            for _, name, first, second, third, *_ in program
            if register == (second if name in _INTO_SECOND else third) and name not in _ONLY_READS
        ]
        name, cursor = into[0] if len(into) == 1 else ("", -1)
        return self._opened.get(cursor) if name in _KEYS else None

    def steps(self) -> list[_Step]:
        """Return the steps of the plan.

        A step's number is its place in the program, which has no instruction for the steps before it.
        """
        begins = [number - before for before, (number, *_) in enumerate(self._plan)]
        ends = [*begins[1:], len(self._program)]
        spans = zip(self._plan, begins, ends, strict=True)
        return [_step(row, self._opened, self._program[begin:end]) for row, begin, end in spans]


def _step(row: Sequence[Any], opened: dict[int, str], program: Iterable[Sequence[Any]]) -> _Step:
    number, parent, _, detail = row
    reads = _READS.match(detail)
    tables = (opened[cursor] for _, name, cursor, *_ in program if name in _BEGINS and cursor in opened)
    table = next(tables, None) if reads else None
    name, by_key = (reads["name"], bool(reads["by_key"])) if reads else (None, False)
    return _Step(number, parent, detail.startswith(_UNIONS), detail.startswith(_OTHER_SIDE), name, table, by_key)

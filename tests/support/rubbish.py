"""What somebody with access to the database may write into any column of any table, derived from the tables themselves.

SQLite takes every value. For this, NOT NULL and CHECK are lifted too, as their owner may lift them anywhere.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from sqlalchemy import Column, make_url

from telemetry_service.storage.tables import Base
from telemetry_service.storage.types import Checked

_OF_TYPE: dict[type, tuple[str, ...]] = {
    datetime: ("'no date'", "'9999-12-31 23:59:59.000000'", "x'ff00'", "7"),
    date: ("'no date'", "'9999-12-31'", "7"),
    int: ("'many'", "4611686018427387904", "-1.5", "x'ff00'"),
    str: ("x'ff00'", "CAST(x'ff00' AS TEXT)", "7", "''"),
    bool: ("'perhaps'", "7", "x'ff00'"),
    bytes: ("'a text'", "1099511627776", "x''"),
    UUID: ("'a text'", "x'ff00'", "7"),
    dict: ("'{'", "'[7]'", "x'ff00'"),
}
_CLOSED = ("'no member'", "x'ff00'", "7")


@dataclass(frozen=True, slots=True)
class Rubbish:
    """A value that a column must never hold, in SQL."""

    table: str
    column: str
    value: str

    def __str__(self) -> str:
        """Return how a failing test names it."""
        return f"{self.table}.{self.column} = {self.value}"


def rubbish() -> Iterator[Rubbish]:
    """Yield for each column of each table a value that it must never hold, and no value where it needs one.

    The kinds of values take turns from column to column. A new column is among them by itself.
    """
    columns = (column for table in Base.metadata.sorted_tables for column in table.columns)
    for number, column in enumerate(columns):
        values = _values(column)
        for value in (values[number % len(values)], *(() if column.nullable else ("NULL",))):
            yield Rubbish(column.table.name, column.name, value)


def _values(column: Column[object]) -> tuple[str, ...]:
    kind = column.type
    assert isinstance(kind, Checked)
    return _CLOSED if issubclass(kind.python, StrEnum) else _OF_TYPE[kind.python]


class Database:
    """A SQLite database that takes any value, and that can be put back as it was."""

    def __init__(self, database_url: str) -> None:
        """Lift the constraints of the database, and keep its present content."""
        self._path = Path(make_url(database_url).database or "")
        self._kept = sqlite3.connect(":memory:")
        with closing(self._connect()) as connection:
            _lift_constraints(connection)
            connection.backup(self._kept)

    def write(self, rubbish: Rubbish, where: str = "true") -> None:
        """Write it into every row of the table, or into one where each must differ, unless SQLite itself refuses."""
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            change = f"UPDATE OR IGNORE {rubbish.table} SET {rubbish.column} = {rubbish.value} WHERE {where}"  # noqa: S608 - ours
            with suppress(sqlite3.IntegrityError):
                connection.execute(change)
                connection.commit()

    def restore(self) -> None:
        """Put everything back as it was."""
        with closing(self._connect()) as connection:
            self._kept.backup(connection)

    def make_due(self) -> None:
        """Let the next run of the schedule be due."""
        with closing(self._connect()) as connection:
            connection.execute("UPDATE telemetry_schedule SET next_run_at = '2026-01-02 00:00:00.000000'")
            connection.commit()

    def close(self) -> None:
        """Forget the content that was kept."""
        self._kept.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)


def _lift_constraints(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA writable_schema = ON")
    lifted = "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'"
    connection.execute(f"{lifted} AND sql NOT LIKE '%WITHOUT ROWID%'")
    version = connection.execute("PRAGMA schema_version").fetchone()[0]
    connection.execute(f"PRAGMA schema_version = {version + 1}")
    connection.execute("PRAGMA writable_schema = RESET")
    connection.commit()

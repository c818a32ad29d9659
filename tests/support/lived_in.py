"""Databases that version 0.1.0 has lived in, restored for a test, with what every later version must keep of them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.databases import RunDatabases
from tests.support.postgres import plain_url

FOLDER = Path(__file__).parent.parent / "data" / "upgrade-0.1.0"
_END_OF_COPY = "\\."


@dataclass(frozen=True, slots=True)
class LivedIn:
    """One database at revision 0001, to be upgraded. ``kept`` is what must still hold afterwards."""

    database_url: str
    kept: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What a start of the service needs to open it."""
        return {**self.kept["environment"], "TELEMETRY_DATABASE_URL": self.database_url}

    @property
    def waiting_ids(self) -> set[str]:
        """The transmissions that were not accepted yet."""
        return {sent["transmission_id"] for sent in self.kept["transmissions"] if sent["state"] != "success"}


def sqlite_lived_in(folder: Path) -> LivedIn:
    """Return a copy of the SQLite database in ``folder``."""
    copy = folder / "lived-in.db"
    shutil.copyfile(FOLDER / "sqlite.db", copy)
    return LivedIn(f"sqlite:///{copy}", _kept("sqlite"))


@contextmanager
def postgresql_lived_in(run_databases: RunDatabases) -> Iterator[LivedIn]:
    """Give a PostgreSQL database that was restored from the dump, dropped afterwards."""
    with run_databases.postgresql(migrated=False) as url:
        with psycopg.connect(plain_url(url)) as connection:
            restore(connection, (FOLDER / "postgresql.sql").read_text())
        yield LivedIn(url, _kept("postgresql"))


def restore(connection: psycopg.Connection[Any], dump: str) -> None:
    """Do what ``psql`` does with a plain dump, so that no test needs that program."""
    lines = iter(dump.splitlines(keepends=True))
    statements: list[str] = []
    for line in lines:
        if line.startswith("COPY "):
            _run(connection, statements)
            _copy(connection, line, lines)
        elif not line.startswith(("\\", "--")):  # Commands of psql itself, and comments.
            statements.append(line)
    _run(connection, statements)


def _run(connection: psycopg.Connection[Any], statements: list[str]) -> None:
    connection.execute("".join(statements).encode())
    statements.clear()


def _copy(connection: psycopg.Connection[Any], statement: str, lines: Iterator[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in lines:
            if row.rstrip("\n") == _END_OF_COPY:
                return
            copy.write(row)


def _kept(kind: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text())
    return kept

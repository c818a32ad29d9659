"""Databases that version 0.1.0 has lived in, restored for a test, with what every later version must keep of them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from telemetry_service.storage.migrate import migrate
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


def sqlite_upgraded(run_databases: RunDatabases, folder: Path) -> LivedIn:
    """Return a copy of the SQLite database in ``folder``, with the schema of this version; it was not started yet."""

    def fill(database_url: str) -> None:
        shutil.copyfile(FOLDER / "sqlite.db", database_url.removeprefix("sqlite:///"))
        migrate(database_url)

    return LivedIn(run_databases.sqlite_copy(folder, "lived-in", fill), _kept("sqlite"))


@contextmanager
def postgresql_upgraded(run_databases: RunDatabases) -> Iterator[LivedIn]:
    """Give the same on PostgreSQL, dropped afterwards."""

    def fill(database_url: str) -> None:
        _restore_into(database_url)
        migrate(database_url)

    with run_databases.postgresql_copy("lived-in", fill) as url:
        yield LivedIn(url, _kept("postgresql"))


@contextmanager
def postgresql_lived_in(run_databases: RunDatabases) -> Iterator[LivedIn]:
    """Give a PostgreSQL database that was restored from the dump, dropped afterwards."""
    with run_databases.postgresql(migrated=False) as url:
        _restore_into(url)
        yield LivedIn(url, _kept("postgresql"))


def _restore_into(database_url: str) -> None:
    with psycopg.connect(plain_url(database_url)) as connection:
        restore(connection, (FOLDER / "postgresql.sql").read_text())


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

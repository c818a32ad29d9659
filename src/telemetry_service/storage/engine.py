"""Makes the SQLAlchemy engine: what each database needs so that an acknowledged write is on disk."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.errors import StorageNotOpenedError

READ_ONLY = "telemetry_read_only"
"""Execution option of a connection that will only read."""

_FILE = "telemetry_file"
"""Which file a connection of the pool was opened to."""

BUSY_TIMEOUT_MS = 10_000
"""How long a write waits for another process's write before it is refused."""

_WAL_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""Releases without the corruption bug of two connections and a checkpoint reset, newest line first."""

_POSTGRESQL_OPTIONS = " ".join(
    (
        "-c timezone=UTC",
        f"-c lock_timeout={BUSY_TIMEOUT_MS}",
        "-c statement_timeout=60000",
        # A replica that is stopped in the middle of a transaction must not hold its locks for ever.
        "-c idle_in_transaction_session_timeout=30000",
    )
)

_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


def make_engine(database_url: str) -> Engine:
    """Return an engine for SQLite or PostgreSQL; nothing is connected yet."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        # What is read after waiting for a lock must be the present, whatever is the database's own default: a report
        # would otherwise be added to a period that was closed while it waited, and be lost.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={"connect_timeout": 10, "options": _options(url)},
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def make_migrating_engine(database_url: str) -> Engine:
    """Return an engine for migrations.

    SQLite changes a table by making it anew and dropping the old one, which deletes each row that refers to a row of
    it, as though all of them had been deleted. So foreign keys are not enforced while that is done.
    """
    engine = make_engine(database_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _without_foreign_keys)
    return engine


def _without_foreign_keys(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # Within a transaction this would do nothing, and say nothing.


def _prepare_postgresql(connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
    """Wait for the disk at each commit, also where the database's default is not to; a stricter default stands."""
    connection.execute(_DURABLE)
    connection.commit()


def _options(url: URL) -> str:
    """Return the session's options: the deployment's own, such as a search path, and last those that must hold."""
    given = url.query.get("options", "")
    return " ".join((*((given,) if isinstance(given, str) else given), _POSTGRESQL_OPTIONS)).strip()


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this release of SQLite has the fix without which the write-ahead log is not used."""
    newest = _WAL_FIXED[0]
    return version >= newest or any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_FIXED)


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        _make_private(Path(url.database))
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        hide_parameters=True,
        pool_size=20,
        max_overflow=20,
        pool_timeout=10,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )
    if url.database:
        _stay_with_the_file(engine, Path(url.database))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(database: Path) -> None:
    """Make the file, and a folder that is not there yet, for this user alone: it holds the password's hash."""
    with suppress(OSError):  # Where it cannot be made, connecting says so with an error of its own.
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not database.exists():
            database.touch(mode=0o600)


def _stay_with_the_file(engine: Engine, file: Path) -> None:
    """Use no connection to a file that is not at its place any more, and make no new one in its place.

    Whoever deletes or replaces the file while the service runs would otherwise leave it writing to one that nobody
    can open again: what it acknowledges would be gone with the process.
    """

    def connect(*_: object) -> None:
        _identity(file)

    def connected(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info[_FILE] = _identity(file)

    def checkout(_connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info[_FILE] != _identity(file):
            raise DisconnectionError

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checkout)


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        raise StorageNotOpenedError from None
    return found.st_dev, found.st_ino


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions on its own: _begin_sqlite says which kind it is.
    connection.isolation_level = None
    version: Any = sqlite3.sqlite_version_info
    journal = "WAL" if wal_is_safe(version) else "TRUNCATE"
    # Freed pages go back to the file system in small steps (see retention); it takes effect only in a new database.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _begin_sqlite(connection: Connection) -> None:
    # The write lock is taken first: taken later, a busy error would come at once instead of after the time-out.
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

"""Makes the SQLAlchemy engine: what each database needs so that an acknowledged write is on disk."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.errors import StorageNotOpenedError
from telemetry_service.storage.deadline import MIGRATING, ORDINARY, Patience, ends_at, seconds_until
from telemetry_service.storage.postgresql import postgresql_engine

READ_ONLY = "telemetry_read_only"
"""Execution option of a connection that will only read."""

_FILE = "telemetry_file"
"""Which file a connection of the pool was opened to."""

PRIMARY_CODE = 0xFF
"""The part of SQLite's codes that says which kind of error it is."""

_FILE_FAILED = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
    }
)
"""What is wrong with a connection's file rather than with a statement."""

_WAL_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""Releases without the corruption bug of two connections and a checkpoint reset, newest line first."""


def make_engine(database_url: str, patience: Patience = ORDINARY, *, makes_it: bool = False) -> Engine:
    """Return an engine for SQLite or PostgreSQL; nothing is connected yet. ``makes_it`` is for whoever sets one up.

    Raises:
        StorageOptionsError: the URL has an option that no connection can have.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url, patience)
        if makes_it:
            event.listen(engine, "connect", _with_pages_to_give_back, insert=True)
        return engine
    return postgresql_engine(url, patience)


def make_migrating_engine(database_url: str) -> Engine:
    """Return an engine for migrations, which may take their time.

    SQLite changes a table by making it again and dropping the old one, which deletes each row that refers to a row of
    it, as though all of them had been deleted. So foreign keys are not enforced while that is done.
    """
    make_private_file(database_url)
    engine = make_engine(database_url, MIGRATING, makes_it=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _without_foreign_keys)
    return engine


def _with_pages_to_give_back(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Let freed pages go back to the file system in small steps (see retention).

    It takes effect only in a new database, and before all else. Into any other, and into an empty file, it would write
    a first page, which is not for whoever only looks.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _without_foreign_keys(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # Within a transaction this would do nothing, and say nothing.


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this release of SQLite has the fix without which the write-ahead log is not used."""
    newest = _WAL_FIXED[0]
    return version >= newest or any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_FIXED)


def _sqlite_engine(url: URL, patience: Patience) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        hide_parameters=True,
        pool_size=20,
        max_overflow=20,
        pool_timeout=10,
        connect_args={"check_same_thread": False, "timeout": patience.lock},
    )
    if url.database:
        _stay_with_the_file(engine, Path(url.database))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", partial(_begin_sqlite, patience))
    event.listen(engine, "handle_error", _judge_sqlite)
    return engine


def make_private_file(database_url: str) -> None:
    """Make SQLite's file, and a folder that is not there yet, for this user alone: it holds the password's hash.

    Only for whoever sets a database up; no other engine makes one. Where it cannot be made, connecting says so.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    file = Path(url.database)
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)


def _stay_with_the_file(engine: Engine, file: Path) -> None:
    """Use no connection to a file that is not at its place anymore, and make no new one in its place.

    Whoever deletes or replaces the file while the service runs would otherwise leave it writing to one that no one
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
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # What is too large for its cache it would write to the system's temporary folder, which need not be writable.
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin_sqlite(patience: Patience, connection: Connection) -> None:
    # Both the beginning and the commit may wait for someone else, so each has half of what is left.
    wait = min(patience.lock, seconds_until(ends_at(patience)) / 2)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait * 1000:.0f}")
    # The write lock is taken first: taken later, a busy error would come at once instead of after the timeout.
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _judge_sqlite(context: ExceptionContext) -> None:
    """Give no connection back to the pool whose file failed: one that was opened read-only, say, stays so for ever."""
    error = context.original_exception
    if not isinstance(error, sqlite3.Error) or context.connection is None:
        return
    if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE in _FILE_FAILED:
        # A statement that no one has finished would keep the locks of a connection that is closed.
        with suppress(sqlite3.Error):
            context.connection.connection.rollback()
        context.is_disconnect = True

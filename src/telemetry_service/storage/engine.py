"""Makes the SQLAlchemy engine: what each database needs so that an acknowledged write is on disk."""

import sqlite3
import stat
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

READ_ONLY = "telemetry_read_only"
"""Execution option of a read-only connection."""

_FILE = "telemetry_file"
"""The file that a pooled connection was opened on."""

_WAIT = "telemetry_wait"
"""How long a pooled connection waits for a lock, in milliseconds, as it was last set."""

PRIMARY_CODE = 0xFF
"""The part of SQLite's codes that gives the kind of error."""

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
"""Problems with the file of a connection rather than with a statement."""

_BESIDE = ("", "-wal", "-shm", "-journal", ".ledger-head", ".in-use")
"""What the names of a database's files end with."""

_OWNER_ALONE = 0o700

_WAL_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""The first releases, newest first, in which a checkpoint reset with two connections no longer corrupts the file."""


def make_engine(database_url: str, patience: Patience = ORDINARY, *, may_create: bool = False) -> Engine:
    """Return an engine for SQLite or PostgreSQL; nothing is connected yet. ``may_create`` allows creating a database.

    Raises:
        StorageOptionsError: the URL has an option that is not valid for a connection.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url, patience)
        if may_create:
            event.listen(engine, "connect", _enable_incremental_vacuum, insert=True)
        return engine
    from telemetry_service.storage.postgresql import postgresql_engine

    return postgresql_engine(url, patience)


def make_migrating_engine(database_url: str) -> Engine:
    """Return an engine for migrations, which may take their time.

    To change a table, SQLite copies it and drops the old one, which would cascade to each row that refers to it. So
    foreign keys are not enforced during a migration.
    """
    make_private_file(database_url)
    engine = make_engine(database_url, MIGRATING, may_create=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _without_foreign_keys)
    return engine


def _enable_incremental_vacuum(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Allow returning freed pages to the file system in small steps (see retention).

    This works only in a new database, as the first statement. In an empty file it writes a first page, which a
    read-only command must not do.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _without_foreign_keys(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # Within a transaction this silently does nothing.


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this release of SQLite has the fix that the write-ahead log requires."""
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
        _require_same_file(engine, Path(url.database))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", partial(_begin_sqlite, patience))
    event.listen(engine, "handle_error", _judge_sqlite)
    return engine


def make_private_file(database_url: str) -> None:
    """Create SQLite's file and its folder, readable only by this user: it contains the password hash.

    A file that exists already becomes so too, if it is this user's. Only for setting up a database; no other engine
    creates one. If it cannot be created, connecting fails with the reason.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    file = Path(url.database)
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)
    for one in open_to_others(file):
        with suppress(OSError):  # Another user's, or on a file system without modes; doctor says so.
            one.chmod(stat.S_IMODE(one.stat().st_mode) & _OWNER_ALONE)


def open_to_others(database: Path) -> list[Path]:
    """Return the files of a SQLite database that other users may read or write."""
    found = []
    for beside in _BESIDE:
        with suppress(OSError):
            file = database.with_name(database.name + beside)
            if file.stat().st_mode & ~_OWNER_ALONE & 0o777:
                found.append(file)
    return found


def _require_same_file(engine: Engine, file: Path) -> None:
    """Never use a connection to a file that was moved or deleted, and do not create a new file in its place.

    If someone deletes or replaces the file while the service runs, it would otherwise keep writing to a file that no
    one can open again, and everything it acknowledges would be lost when the process ends.
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
    # The driver must not begin transactions on its own: _begin_sqlite chooses their kind.
    connection.isolation_level = None
    connection.text_factory = _text
    version: Any = sqlite3.sqlite_version_info
    journal = "WAL" if wal_is_safe(version) else "TRUNCATE"
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # By default SQLite writes what exceeds its cache to the system's temporary folder, which may not be writable.
    connection.execute("PRAGMA temp_store = MEMORY")


def _text(stored: bytes) -> str | bytes:
    """Return a text. Bytes that are not a text stay bytes: the column's type refuses them, and the query continues."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _begin_sqlite(patience: Patience, connection: Connection) -> None:
    # Both BEGIN and COMMIT may wait for a lock, so each gets half of the remaining time.
    wait = round(min(patience.lock, seconds_until(ends_at(patience)) / 2) * 1000)
    if connection.info.get(_WAIT) != wait:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait}")
        connection.info[_WAIT] = wait
    # Take the write lock first: if it is taken later, SQLite reports busy at once instead of after the timeout.
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _judge_sqlite(context: ExceptionContext) -> None:
    """Return no connection to the pool if its file failed: one opened read-only, say, stays read-only."""
    error = context.original_exception
    if not isinstance(error, sqlite3.Error) or context.connection is None:
        return
    if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE in _FILE_FAILED:
        # An unfinished statement would keep the locks of a closed connection.
        with suppress(sqlite3.Error):
            context.connection.connection.rollback()
        context.is_disconnect = True

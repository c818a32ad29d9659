"""SQLite: connections that keep what they acknowledged, wait for locks no longer than they may, and know their file."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.storage.deadline import Patience, ends_at, seconds_until
from telemetry_service.storage.sqlite_file import open_where_nothing_may_be_written, require_same_file
from telemetry_service.storage.sqlite_library import KEEPS_LOG, sqlite3

READ_ONLY = "telemetry_read_only"
"""Execution option of a read-only connection."""

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

_JOURNAL_BYTES = 16 * 1024 * 1024
"""What the write-ahead log keeps of the disk after a long read, during which it grows."""


def sqlite_engine(url: URL, patience: Patience, *, may_create: bool) -> Engine:
    """Return an engine for a SQLite database; nothing is connected yet. ``may_create`` allows creating it."""
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=sqlite3,
        hide_parameters=True,
        pool_size=20,
        max_overflow=20,
        pool_timeout=10,
        connect_args={"check_same_thread": False, "timeout": patience.lock},
    )
    if url.database:
        require_same_file(engine, Path(url.database))
        open_where_nothing_may_be_written(engine, Path(url.database))
    if may_create:
        event.listen(engine, "connect", _enable_incremental_vacuum)
    event.listen(engine, "connect", _prepare)
    if may_create:
        event.listen(engine, "connect", _begin_log)
    event.listen(engine, "begin", partial(_begin, patience))
    event.listen(engine, "handle_error", _judge)
    return engine


def _enable_incremental_vacuum(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Allow returning freed pages to the file system in small steps (see retention).

    This works only in a new database, as the first statement. In an empty file it writes a first page, which a
    read-only command must not do.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _begin_log(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Let the file have a write-ahead log from now on: a start decides that, because it is written into the file."""
    if KEEPS_LOG:
        connection.execute("PRAGMA journal_mode = WAL")


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions on its own: _begin chooses their kind.
    connection.isolation_level = None
    connection.text_factory = _text
    if not _may_keep_log(connection):
        connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # By default SQLite writes what exceeds its cache to the system's temporary folder, which may not be writable.
    connection.execute("PRAGMA temp_store = MEMORY")


def _may_keep_log(connection: sqlite3.Connection) -> bool:
    return KEEPS_LOG and connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def _text(stored: bytes) -> str | bytes:
    """Return a text. Bytes that are not a text stay bytes: the column's type refuses them, and the query continues."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _begin(patience: Patience, connection: Connection) -> None:
    # Both BEGIN and COMMIT may wait for a lock, so each gets half of the remaining time.
    wait = round(min(patience.lock, seconds_until(ends_at(patience)) / 2) * 1000)
    if connection.info.get(_WAIT) != wait:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait}")
        connection.info[_WAIT] = wait
    # Take the write lock first: if it is taken later, SQLite reports busy at once instead of after the timeout.
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _judge(context: ExceptionContext) -> None:
    """Return no connection to the pool if its file failed: one opened read-only, say, stays read-only."""
    error = context.original_exception
    if not isinstance(error, sqlite3.Error) or context.connection is None:
        return
    if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE in _FILE_FAILED:
        # An unfinished statement would keep the locks of a closed connection.
        with suppress(sqlite3.Error):
            context.connection.connection.rollback()
        context.is_disconnect = True

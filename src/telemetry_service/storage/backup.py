"""Copies a SQLite database while the service writes to it, and verifies a copy."""

import errno
import os
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from telemetry_service.domain.errors import NotABackupError, SchemaTooNewError, StorageDamagedError, TelemetryError
from telemetry_service.storage.deadline import Patience
from telemetry_service.storage.driver_errors import connected, translated
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.migrate import SchemaState, schema_state
from telemetry_service.storage.sqlite import READ_ONLY
from telemetry_service.storage.sqlite_library import sqlite3

_COPYING = Patience(transaction=3600, statement=0, lock=120)
"""A database of several gigabytes takes seconds. Beside a busy service, the first lock may take a while."""

_UNFINISHED = ("-journal", "-wal")
"""Beside a database that was copied as a file: what its last transactions are in."""


_FULL = "database or disk is full"
"""SQLite's text for a disk that is full: only the disk of the copy, since nothing else is written."""


def copy_online(database_url: str, target: Path) -> None:
    """Write the database, as it is at one moment, into ``target``, an empty file.

    It is copied within one read transaction. In steps, as the library also offers, it would begin again with every
    commit of another process and might never end. Without a write-ahead log, writers wait meanwhile.

    Raises:
        StorageUnavailableError: it cannot be read; ``target`` is of no use then.
        OSError: ``target`` cannot be written because its disk is full.
    """
    engine = make_engine(database_url, _COPYING)
    try:
        with translated(), connected(engine) as connection:
            connection.execution_options(**{READ_ONLY: True})
            with connection.begin():
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")  # Takes the lock, or waits for it.
                driver: Any = connection.connection.driver_connection
                _copy(driver, target)
    finally:
        engine.dispose()


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        # An interrupted copy is thrown away, so it needs no journal, and is flushed to the disk once, at the end.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        try:
            source.backup(copy)
        except sqlite3.OperationalError as error:
            if str(error) == _FULL:  # The error of a copy has no code in some versions.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            raise
        copy.execute("PRAGMA journal_mode = DELETE")  # One file, even if the database has a write-ahead log.


def require_whole(copy: Path) -> None:
    """Look at every page of a copy, and change nothing.

    Raises:
        StorageUnavailableError: it cannot be read, or the pages contradict each other.
    """
    path = quote(str(copy.absolute()))
    with translated(), closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise StorageDamagedError


def require_finished(backup: Path) -> None:
    """Check that nothing is beside a backup that belongs into it.

    Raises:
        NotABackupError: the file is missing, or a running database was copied as a file.
    """
    if not _size(backup) or any(_size(backup.with_name(backup.name + suffix)) for suffix in _UNFINISHED):
        raise NotABackupError


def schema_of(copy: Path) -> SchemaState:
    """Return the schema of a whole copy of a backup. Opening it may change its header.

    Raises:
        NotABackupError: it is damaged, or no database of this service.
        SchemaTooNewError: it was made by a newer version of this service.
    """
    try:
        require_whole(copy)
        state = schema_state(f"sqlite:///{copy}")
    except TelemetryError:
        raise NotABackupError from None
    if state.too_new:
        raise SchemaTooNewError
    if state.missing or state.present is None:
        raise NotABackupError
    return state


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0

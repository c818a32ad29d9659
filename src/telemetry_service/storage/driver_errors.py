"""Turns the drivers' errors into our own errors, and hides their texts."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from telemetry_service.domain.errors import (
    RowUnreadableError,
    SchemaIncompleteError,
    StorageBusyError,
    StorageDamagedError,
    StorageDiskError,
    StorageFullError,
    StorageNotOpenedError,
    StorageReadOnlyError,
    StorageUnavailableError,
    TelemetryError,
)
from telemetry_service.log.write import log_exception
from telemetry_service.storage.sqlite import PRIMARY_CODE
from telemetry_service.storage.sqlite_library import sqlite3

_Kind = type[TelemetryError]

_OURS = (IntegrityError, ProgrammingError, DataError)
"""An error without an entry below is a bug in this program, and must not be reported as a passing problem."""

_SQLITE: dict[int, _Kind] = {
    sqlite3.SQLITE_FULL: StorageFullError,
    sqlite3.SQLITE_BUSY: StorageBusyError,
    sqlite3.SQLITE_LOCKED: StorageBusyError,
    sqlite3.SQLITE_NOTADB: StorageDamagedError,
    sqlite3.SQLITE_CORRUPT: StorageDamagedError,
    sqlite3.SQLITE_READONLY: StorageReadOnlyError,
    sqlite3.SQLITE_CANTOPEN: StorageNotOpenedError,
    sqlite3.SQLITE_PERM: StorageNotOpenedError,
    sqlite3.SQLITE_IOERR: StorageDiskError,
}
_SQLITE_INCOMPLETE = ("no such table", "no such column", "has no column named")
"""SQLite has one code for every statement that it cannot prepare. Its texts are the same in every language."""
_SQLITE_UNREADABLE = "integer overflow"
"""What it says if numbers in rows are too large to be added."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise a ``StorageUnavailableError``, a subclass, or a ``RowUnreadableError`` for an error of a driver."""
    try:
        yield
    except DBAPIError as error:
        found = _kind_of(error.orig)
        if found is None and isinstance(error, _OURS):
            raise
        raise (found or StorageUnavailableError) from None
    except PoolTimeoutError:
        raise StorageBusyError from None
    except _drivers_errors() as error:
        raise (_kind_of(error) or StorageUnavailableError) from None


def connected(engine: Engine) -> Connection:
    """Connect. Any exception becomes one of our errors: a driver may meet what it was never tested with."""
    try:
        return engine.connect()
    except (TelemetryError, SQLAlchemyError):
        raise
    except _drivers_errors():
        raise
    except Exception as error:  # noqa: BLE001 - a driver's own mistake may be of any kind
        log_exception(error, "connect")
        raise StorageUnavailableError from None


def _drivers_errors() -> tuple[type[Exception], ...]:
    """Return the roots of the errors of the loaded drivers: psycopg is loaded with the first PostgreSQL engine."""
    loaded = sys.modules.get("psycopg")
    return (sqlite3.Error,) if loaded is None else (sqlite3.Error, loaded.Error)


def _kind_of(error: BaseException | None) -> _Kind | None:
    if isinstance(error, sqlite3.Error):
        return _sqlite_kind(error)
    if not isinstance(error, _drivers_errors()):
        return None
    from telemetry_service.storage.postgresql_errors import kind_of

    return kind_of(error)


def _sqlite_kind(error: sqlite3.Error) -> _Kind | None:
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code == sqlite3.SQLITE_ERROR and any(text in str(error) for text in _SQLITE_INCOMPLETE):
        return SchemaIncompleteError
    if code == sqlite3.SQLITE_ERROR and _SQLITE_UNREADABLE in str(error):
        return RowUnreadableError
    return _SQLITE.get(code)

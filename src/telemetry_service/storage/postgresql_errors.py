"""What psycopg's errors mean. Loaded with the first engine for PostgreSQL: a service on SQLite never loads psycopg."""

import psycopg
from psycopg import errors
from sqlalchemy.engine import ExceptionContext

from telemetry_service.domain.errors import (
    SchemaIncompleteError,
    StorageBusyError,
    StorageDamagedError,
    StorageDiskError,
    StorageFullError,
    StorageHostUnknownError,
    StorageLoginError,
    StorageOptionsError,
    StorageReadOnlyError,
    StorageTlsError,
    StorageUnavailableError,
)

_Kind = type[StorageUnavailableError]

_WITH_A_CODE: tuple[tuple[tuple[type[psycopg.Error], ...], _Kind], ...] = (
    ((errors.DiskFull,), StorageFullError),
    ((errors.LockNotAvailable, errors.DeadlockDetected), StorageBusyError),
    ((errors.DataCorrupted, errors.IndexCorrupted), StorageDamagedError),
    ((errors.UndefinedTable, errors.UndefinedColumn), SchemaIncompleteError),
    ((errors.ReadOnlySqlTransaction,), StorageReadOnlyError),
    ((errors.InsufficientPrivilege,), StorageLoginError),
    ((errors.IoError,), StorageDiskError),
)

_CONNECTING: tuple[tuple[tuple[str, ...], _Kind], ...] = (
    (("failed to resolve host", "could not translate host name"), StorageHostUnknownError),
    (("certificate", "does not support SSL", "SSL error"), StorageTlsError),
    (("authentication failed", "pg_hba.conf", "no password", "not permitted to log in"), StorageLoginError),
    (("permission denied for database", '" does not exist'), StorageLoginError),
    (
        ("connection is bad: invalid", "invalid connection option", "bad value for", "unsupported startup parameter"),
        StorageOptionsError,
    ),
)
"""A failed connection has no code, so its text is inspected, but never shown. Errors of a server whose language is not
English are reported less precisely."""

_STATEMENT_ERRORS = (errors.IntegrityError, errors.DataError)
"""These concern a statement rather than the session, and are part of normal work."""

_SESSION_STATES = ("08", "57P", "25006", "0A000", "53300")
"""Broken connections, a server shutting down, sessions left read-only by a failover, outdated plans: all connections of
the pool are likely to have the same problem."""


def kind_of(error: BaseException | None) -> _Kind | None:
    """Return our error for one of psycopg's; None if it has no entry."""
    if not isinstance(error, psycopg.Error):
        return None
    for raised, kind in _WITH_A_CODE:
        if isinstance(error, raised):
            return kind
    if error.sqlstate is not None:
        return None
    text = str(error)
    return next((kind for texts, kind in _CONNECTING if any(part in text for part in texts)), None)


def judge(context: ExceptionContext) -> None:
    """Return no failed session to the pool: the next call gets a new one.

    It is not known which errors leave a session intact, and a new one costs milliseconds.
    """
    error = context.original_exception
    if not isinstance(error, psycopg.Error) or isinstance(error, _STATEMENT_ERRORS):
        return
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = error.sqlstate is None or error.sqlstate.startswith(_SESSION_STATES)

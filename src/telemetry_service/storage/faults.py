"""Turns what the drivers raise into errors of our own, and keeps their texts out of sight."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from telemetry_service.domain.errors import StorageBusyError, StorageFullError, StorageUnavailableError

_OURS = (IntegrityError, ProgrammingError, DataError)
"""These are faults of this program, not of the database, and must not be dressed up as a passing trouble."""

_SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL})
_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE = 0xFF


@contextmanager
def translated() -> Iterator[None]:
    """Raise a :class:`StorageUnavailableError` (or a kind of it) for what went wrong below."""
    try:
        yield
    except _OURS:
        raise
    except DBAPIError as error:
        raise _translate(error.orig) from None
    except PoolTimeoutError:
        raise StorageBusyError from None
    except (sqlite3.Error, psycopg.Error) as error:
        raise _translate(error) from None


def _translate(error: BaseException | None) -> StorageUnavailableError:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _SQLITE_FULL:
            return StorageFullError()
        if code in _SQLITE_BUSY:
            return StorageBusyError()
    if isinstance(error, psycopg.errors.DiskFull):
        return StorageFullError()
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
        return StorageBusyError()
    return StorageUnavailableError()

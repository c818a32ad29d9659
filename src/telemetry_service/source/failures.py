"""Turns what a driver raises about the source into our own errors, and hides its text."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from telemetry_service.domain.errors import (
    SchemaIncompleteError,
    StorageLoginError,
    StorageUnavailableError,
)
from telemetry_service.domain.source_errors import (
    SourceAwayError,
    SourceDeniedError,
    SourceError,
    SourceSchemaError,
    SourceSlowError,
    SourceViewFailsError,
)
from telemetry_service.storage.driver_errors import translated

_QUERY_CANCELED = "57014"

_MEANING: tuple[tuple[type[StorageUnavailableError], type[SourceError]], ...] = (
    (StorageLoginError, SourceDeniedError),
    (SchemaIncompleteError, SourceSchemaError),
)


@contextmanager
def source_errors() -> Iterator[None]:
    """Raise a ``SourceError`` for an error of a driver."""
    try:
        with translated(), _time_limit():
            yield
    except StorageUnavailableError as error:
        raise next((ours for kind, ours in _MEANING if isinstance(error, kind)), SourceAwayError) from None
    except DBAPIError:  # What storage has no entry for: the view's own expressions, or a value that does not fit.
        raise SourceViewFailsError from None


@contextmanager
def _time_limit() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if _was_interrupted(error.orig):
            raise SourceSlowError from None
        raise


def _was_interrupted(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
    return getattr(error, "sqlstate", None) == _QUERY_CANCELED

"""Reads rows that someone else may have written into: one that cannot be read is a separate error, or left out."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnClause, CursorResult

from telemetry_service.domain.errors import RowUnreadableError

Values = TypeVar("Values", bound=Sequence[Any])


def readable_rows(result: CursorResult[*tuple[Any, ...]], columns: Sequence[ColumnClause[Any]] = ()) -> Iterator[Any]:
    """Yield the rows that can be read, ``filled`` as ``columns`` demand, and leave out the others."""
    while True:
        try:
            row = result.fetchone()
            if row is None:
                return
            filled(row, columns)
        except RowUnreadableError:
            continue
        yield row


def full_rows(result: CursorResult[*tuple[Any, ...]]) -> Iterator[Any]:
    """Yield the rows that can be read and have a value in every column, and leave out the others."""
    return (row for row in readable_rows(result) if None not in row)


def filled(values: Values, columns: Sequence[ColumnClause[Any]]) -> Values:
    """Return ``values`` of ``columns``, the first of them at least, if none is empty that must not be.

    Raises:
        RowUnreadableError: one is; someone has dropped the constraint that forbids it.
    """
    for value, column in zip(values, columns, strict=False):
        if value is None and isinstance(column, Column) and not column.nullable:
            raise RowUnreadableError(str(column))
    return values

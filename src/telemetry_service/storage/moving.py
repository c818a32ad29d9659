"""Copies every row of a database into an empty one, of the same kind or of the other.

The tables are those of the metadata, so a new one cannot be forgotten. Each value is read and written by the type of
its column, so a row that cannot be read ends the copy instead of becoming another one.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from sqlalchemy import Connection, Engine, Identity, Table, delete, func, insert, select, text

from telemetry_service.domain.errors import DatabaseNotEmptyError, StorageUnavailableError
from telemetry_service.storage.database import Keys, Transaction
from telemetry_service.storage.deadline import MIGRATING
from telemetry_service.storage.driver_errors import connected, translated
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.sqlite import READ_ONLY
from telemetry_service.storage.tables import Base, Installation

_ROWS = 1000
"""In one statement."""

Counts = Mapping[str, int]
"""The rows of each table by its name."""


def copy_everything(source_url: str, target_url: str, signer: Keys, note: Callable[[Transaction], None]) -> Counts:
    """Copy everything in one transaction, in which ``note`` adds what the new database says of it.

    Raises:
        DatabaseNotEmptyError: the target has rows already.
        RowUnreadableError: a row of the source cannot be read.
        StorageUnavailableError: a database cannot be used, or what arrived is not what was sent.
    """
    with ExitStack() as at_the_end:
        source, target = make_engine(source_url, MIGRATING), make_engine(target_url, MIGRATING)
        at_the_end.callback(source.dispose)
        at_the_end.callback(target.dispose)
        at_the_end.enter_context(translated())
        reading = at_the_end.enter_context(_reading(source))
        writing = at_the_end.enter_context(connected(target))
        with reading.begin(), writing.begin():
            return _copy(reading, writing, signer, note)


def _reading(engine: Engine) -> Connection:
    """Return a connection that sees the database at one moment."""
    whole = {READ_ONLY: True} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    return connected(engine).execution_options(**whole)


def _copy(source: Connection, target: Connection, signer: Keys, note: Callable[[Transaction], None]) -> Counts:
    _clear(target)
    for table in Base.metadata.sorted_tables:
        _copy_rows(source, target, table)
        _copy_numbering(source, target, table)
    counts = _counts(source)
    if counts != _counts(target):
        raise StorageUnavailableError
    tx = Transaction(target, signer)
    note(tx)
    tx.ledger.flush()
    return counts


def _clear(target: Connection) -> None:
    """Delete the rows that the migrations write into a new database; a service has written none yet."""
    if target.execute(select(Installation.id)).first() is not None:
        raise DatabaseNotEmptyError
    for table in reversed(Base.metadata.sorted_tables):
        target.execute(delete(table))


def _counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in Base.metadata.sorted_tables
    }


def _copy_rows(source: Connection, target: Connection, table: Table) -> None:
    keys = [column.key for column in table.columns]  # A column may have another name in the database.
    found = source.execution_options(yield_per=_ROWS).execute(select(table))
    for rows in found.partitions(_ROWS):
        target.execute(insert(table), [dict(zip(keys, row, strict=True)) for row in rows])


def _copy_numbering(source: Connection, target: Connection, table: Table) -> None:
    """Continue the numbers of rows where they were, even if the rows with the last ones were deleted."""
    column = next((column.name for column in table.columns if isinstance(column.identity, Identity)), None)
    if column is None:
        return
    named = {"name": table.name, "column": column}
    last = source.execute(text(_LAST[source.dialect.name]), named).scalar()
    if last:
        for statement in _CONTINUE[target.dialect.name]:
            target.execute(text(statement), {**named, "last": last})


_LAST = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = :name",
    "postgresql": "SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, :column))",
}
"""The last number that was given to a row; nothing if there never was one."""

_CONTINUE = {
    "sqlite": (
        "DELETE FROM sqlite_sequence WHERE name = :name",
        "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)",
    ),
    "postgresql": ("SELECT setval(pg_get_serial_sequence(:name, :column), :last)",),
}

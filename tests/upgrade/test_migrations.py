"""The migrations alone: up, down and up again, and a schema that takes every value that the code may write."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    Enum,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    create_engine,
    insert,
    text,
)
from sqlalchemy.exc import IntegrityError

from telemetry_service.storage.migrate import migrate
from telemetry_service.storage.tables import Base
from telemetry_service.storage.types import Checked, Id16, UtcDateTime
from tests.support import migrations
from tests.support.each import each

CLOSED = [
    (table, column, kind.enums)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if isinstance(kind := getattr(column.type, "kind", None), Enum)
]
MEMBERS = [(table, column, member) for table, column, members in CLOSED for member in members]
AT = datetime(2026, 11, 27, tzinfo=UTC)
FITTING = {"retention_days": 7}
"""What a rule of its own demands of a column."""


@pytest.mark.parametrize("revision", [migrations.FIRST, migrations.BASE])
def test_the_migrations_go_up_down_and_up_again(empty_database_url: str, revision: str) -> None:
    migrations.upgrade(empty_database_url)
    migrations.downgrade(empty_database_url, revision)
    migrations.upgrade(empty_database_url)
    migrations.check(empty_database_url)


def test_the_service_and_the_developers_command_bring_about_the_same_schema(empty_database_url: str) -> None:
    migrate(empty_database_url)
    migrations.upgrade(empty_database_url)
    migrations.check(empty_database_url)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url)
    with engine.connect() as opened:
        if engine.dialect.name == "sqlite":
            opened.exec_driver_sql("PRAGMA foreign_keys = ON")
            opened.commit()
        yield opened
    engine.dispose()


def test_every_member_of_every_closed_set_can_be_written(connection: Connection) -> None:
    """Alembic does not compare CHECK constraints: a member without its migration would fail at its first use."""
    refused = []
    for table, column, member in MEMBERS:
        try:
            write_text(connection, table, column, member)
        except IntegrityError:
            refused.append(f"{table.name}.{column.name}: {member}")
        connection.rollback()
    assert len(MEMBERS) > 50
    assert refused == [], "a migration that lets these in is missing"


@each(("table", "column"), [(table, column) for table, column, _ in CLOSED])
def test_nothing_else_can_be_written(connection: Connection, table: Table, column: Column[Any]) -> None:
    """So the test above does meet a CHECK constraint, on each column."""
    try:
        with pytest.raises(IntegrityError, match=rf"(?i)check constraint.*ck_{table.name}_"):
            write_text(connection, table, column, "no-member")
    finally:
        connection.rollback()


def write_text(connection: Connection, table: Table, column: Column[Any], value: str) -> None:
    """Insert a row whose ``column`` is this text; what is not of its set reaches the database too."""
    row = row_for(connection, table, {column.name: value})
    names = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f":{name}" for name in row)
    typed = [c for c in table.columns if c.name in row and c is not column]
    statement = text(f"INSERT INTO {table.name} ({names}) VALUES ({values})")  # noqa: S608 - names of our own
    statement = statement.bindparams(*(bindparam(c.name, type_=c.type) for c in typed))
    connection.execute(statement, row)


def write(connection: Connection, table: Table, given: dict[str, Any]) -> dict[str, Any]:
    """Insert a row with these values, and return it whole."""
    row = row_for(connection, table, given)
    connection.execute(insert(table), row)
    return row


def row_for(connection: Connection, table: Table, given: dict[str, Any]) -> dict[str, Any]:
    """Return a row that satisfies every other rule; the rows that it refers to are inserted."""
    row = dict(given)
    for column in table.columns:
        if column.name in row or column.nullable or column.identity is not None:
            continue
        row[column.name] = referred(connection, column) if column.foreign_keys else value_for(column)
    return row


def referred(connection: Connection, column: Column[Any]) -> Any:  # noqa: ANN401 - whatever a key is
    (key,) = column.foreign_keys
    target = key.column
    value = 1 if target.identity is not None else value_for(target)
    write(connection, target.table, {target.name: value})
    return value


def value_for(column: Column[Any]) -> Any:  # noqa: ANN401 - a value of the column's type
    if column.name in FITTING:
        return FITTING[column.name]
    kind = column.type.kind if isinstance(column.type, Checked) else column.type
    if isinstance(kind, Enum):
        return kind.python_type(kind.enums[0])
    for type_, value in (
        (UtcDateTime, AT),
        (Id16, uuid4()),
        (Boolean, True),
        (Integer, 1),
        (String, "x"),
        (LargeBinary, b"x"),
        (Date, date(2026, 11, 27)),
        (JSON, {}),
    ):
        if isinstance(kind, type_):
            return value
    message = f"no value is known for {column}"
    raise AssertionError(message)

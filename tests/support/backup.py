"""A copy of all rows of a database, and what puts it back: for a restore, and for one attack after another."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, insert, select

from telemetry_service.storage.tables import Base


def copied(database_url: str) -> Callable[[], None]:
    """Take a copy of every row, and return what puts it in the place of the database."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        kept: dict[Any, list[dict[str, Any]]] = {
            table: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()

    def put_back() -> None:
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
            for table, rows in kept.items():
                if rows:
                    connection.execute(insert(table), rows)
        engine.dispose()

    return put_back

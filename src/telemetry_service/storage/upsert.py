"""An INSERT that may conflict with another replica's row. The statement itself resolves it, so there is no race."""

from typing import TYPE_CHECKING, Any, Union

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert(connection: Connection, table: type[Any]) -> Union["postgresql.Insert", sqlite.Insert]:
    """Return an INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``, for either database."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)

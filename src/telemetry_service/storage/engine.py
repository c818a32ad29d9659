"""Makes the SQLAlchemy engine: what each database needs so that an acknowledged write is on disk."""

from sqlalchemy import Engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.storage.deadline import MIGRATING, ORDINARY, Patience
from telemetry_service.storage.private_files import make_private_file
from telemetry_service.storage.sqlite import sqlite_engine
from telemetry_service.storage.sqlite_library import sqlite3


def make_engine(database_url: str, patience: Patience = ORDINARY, *, may_create: bool = False) -> Engine:
    """Return an engine for SQLite or PostgreSQL; nothing is connected yet. ``may_create`` allows creating a database.

    Raises:
        StorageOptionsError: the URL has an option that is not valid for a connection.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return sqlite_engine(url, patience, may_create=may_create)
    from telemetry_service.storage.postgresql import postgresql_engine

    return postgresql_engine(url, patience)


def make_migrating_engine(database_url: str) -> Engine:
    """Return an engine for migrations, which may take their time.

    To change a table, SQLite copies it and drops the old one, which would cascade to each row that refers to it. So
    foreign keys are not enforced during a migration.
    """
    make_private_file(database_url)
    engine = make_engine(database_url, MIGRATING, may_create=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _without_foreign_keys)
    return engine


def _without_foreign_keys(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # Within a transaction this silently does nothing.

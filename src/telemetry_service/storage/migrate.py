"""Brings a database to the schema of this version, one process at a time."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, make_url, text

from telemetry_service.domain.errors import (
    DatabaseMissingError,
    MigrationUnderWayError,
    SchemaBehindError,
    SchemaIncompleteError,
    SchemaTooNewError,
    StorageBusyError,
    StorageLoginError,
)
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.storage.driver_errors import connected, translated
from telemetry_service.storage.engine import make_engine, make_migrating_engine
from telemetry_service.storage.link import Link, link_of
from telemetry_service.storage.private_files import make_private_file
from telemetry_service.storage.revisions import revisions
from telemetry_service.storage.tables import Base
from telemetry_service.storage.version_table import VERSION_TABLE, adopt_revision, current_revision, has_old_revision

_LOCK = 0x74656C656D
"""The key of PostgreSQL's advisory lock: one process at a time migrates, and none reads the schema meanwhile."""


def migrate(database_url: str) -> str:
    """Apply the missing migrations and return the revision.

    On SQLite the write lock of the transaction keeps other processes out, on PostgreSQL an advisory
    lock does; either way a crash leaves the old schema.

    Raises:
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database claims to be current but is not.
        StorageUnavailableError: the database cannot be used.
    """
    make_private_file(database_url)
    # If another process is migrating, wait for its lock below, however long that takes.
    with suppress(MigrationUnderWayError):
        state = schema_state(database_url, may_create=True)
        if state.current:
            return _complete(state.newest, state.missing)
    engine = make_migrating_engine(database_url)
    try:
        with translated(), connected(engine) as connection, connection.begin():
            _take_lock(connection)
            return _upgrade(connection)
    finally:
        engine.dispose()


def _complete(revision: str, missing: tuple[str, ...]) -> str:
    if missing:
        raise SchemaIncompleteError(missing)
    return revision


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision of a database, None if it was never migrated, and the revision of this version."""

    present: str | None
    newest: str
    too_new: bool
    """Whether a newer version of this service has migrated it."""
    current: bool
    """Whether there is nothing to migrate at the next start."""
    missing: tuple[str, ...] = ()
    """Tables and columns that it should have but lacks: it was changed by hand."""
    may_migrate: bool = True
    """Whether this role may create tables and change the existing ones."""
    link: Link | None = None


def schema_state(database_url: str, *, may_create: bool = False) -> SchemaState:
    """Inspect a database without changing anything.

    Pass ``may_create`` if you are about to set it up: the first connection decides how an empty file is used.

    Raises:
        MigrationUnderWayError: another process is migrating it, on PostgreSQL. On SQLite the database is busy then.
        StorageUnavailableError: the database cannot be read.
    """
    engine = make_engine(database_url, may_create=may_create)
    try:
        with translated(), connected(engine) as connection:
            _keep_migrations_out(connection)
            present, known = current_revision(connection), revisions()
            too_new = present is not None and present not in known
            newest = known[-1]
            current = present == newest and not has_old_revision(connection)
            missing = _missing(connection) if current else _without_revision(connection, present)
            return SchemaState(
                present, newest, too_new, current, missing, current or _may_migrate(connection), link_of(connection)
            )
    finally:
        engine.dispose()


_MAY_MIGRATE = text(
    "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AND NOT EXISTS ("
    "SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind = 'r'"
    " AND relname = ANY(:ours) AND NOT pg_has_role(relowner, 'USAGE'))"
)


def _may_migrate(connection: Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(_MAY_MIGRATE, {"ours": list(Base.metadata.tables)}).scalar())


def require_current(database_url: str) -> None:
    """Check that the database exists and has the schema of this version, without changing anything.

    Raises:
        DatabaseMissingError: there is no database, or it is empty.
        SchemaBehindError: the database was created by an older version.
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database claims to be current but is not.
        StorageLoginError: the schema is not current, and this role may not migrate it.
        MigrationUnderWayError: another process is migrating it, on PostgreSQL.
        StorageUnavailableError: the database cannot be read.
    """
    refuse_unless_current(_state_of_something(database_url))


def _state_of_something(database_url: str) -> SchemaState:
    url = make_url(database_url)
    # Not Path.exists, which raises if a parent folder may not be read.
    if url.get_backend_name() == "sqlite" and url.database and _nothing_in(url.database):
        raise DatabaseMissingError
    return schema_state(database_url)


def require_ours(database_url: str) -> SchemaState:
    """Return the schema of a database of this service, current or older, without changing anything.

    Raises:
        DatabaseMissingError: there is no database, or it is empty.
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database claims to be current but is not.
        MigrationUnderWayError: another process is migrating it, on PostgreSQL.
        StorageUnavailableError: the database cannot be read.
    """
    state = _state_of_something(database_url)
    with suppress(SchemaBehindError):
        refuse_unless_current(state)
    return state


def _nothing_in(file: str) -> bool:
    """Whether there is no file, or an empty one, to which opening a database could write a first page."""
    if not os.path.lexists(file):
        return True
    try:
        found = os.stat(file)  # noqa: PTH116 - a path as text
    except OSError:
        return False  # Opening it says why.
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def refuse_unless_current(state: SchemaState) -> None:
    """Refuse a database that does not have the schema of this version.

    Raises:
        DatabaseMissingError: there is no database, or it is empty.
        SchemaBehindError: the database was created by an older version.
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database claims to be current but is not.
        StorageLoginError: the schema is not current, and this role may not migrate it.
    """
    if state.missing:
        raise SchemaIncompleteError(state.missing)
    if state.too_new:
        raise SchemaTooNewError
    if not (state.current or state.may_migrate):
        raise StorageLoginError  # Starting the service or migrating would raise the same.
    if state.present is None:
        raise DatabaseMissingError
    if not state.current:
        raise SchemaBehindError


def _take_lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _keep_migrations_out(connection: Connection) -> None:
    """Keep migrations from committing while the schema is read: each statement in PostgreSQL sees the latest catalog.

    SQLite's transactions need no such lock.
    """
    if connection.dialect.name != "postgresql":
        return
    try:
        with translated():
            connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})
    except StorageBusyError:
        raise MigrationUnderWayError from None


def _upgrade(connection: Connection) -> str:
    present, known = current_revision(connection), revisions()
    if present is not None and present not in known:
        raise SchemaTooNewError
    if without := _without_revision(connection, present):
        raise SchemaIncompleteError(without)
    adopt_revision(connection)
    newest = known[-1]
    if present != newest:
        from telemetry_service.storage.upgrade import run_migrations

        run_migrations(connection, newest)
        log_event(Event.DATABASE_MIGRATED, before=present or "nothing", revision=newest)
    return _complete(newest, _missing(connection))


def _without_revision(connection: Connection, present: str | None) -> tuple[str, ...]:
    """Return the name of the revision table if the database has our tables but no revision."""
    tables = set(inspect(connection).get_table_names())
    return (VERSION_TABLE,) if present is None and not tables.isdisjoint(Base.metadata.tables) else ()


_COLUMNS = {
    "sqlite": text(
        "SELECT found.name, columns.name FROM sqlite_schema AS found JOIN pragma_table_xinfo(found.name) AS columns"
        " WHERE found.type = 'table'"
    ),
    "postgresql": text(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')"
        " AND attnum > 0 AND NOT attisdropped"
    ),
}
"""All tables with their columns, in one statement: SQLAlchemy's inspector takes one for each table."""


def _missing(connection: Connection) -> tuple[str, ...]:
    """Return the tables and columns that a database of this revision should have but lacks."""
    present: dict[str, set[str]] = {}
    for name, column in connection.execute(_COLUMNS[connection.dialect.name]):
        present.setdefault(name, set()).add(column)
    missing: list[str] = []
    for table in Base.metadata.sorted_tables:
        if table.name not in present:
            missing.append(table.name)
        else:
            missing += [
                f"{table.name}.{column.name}" for column in table.columns if column.name not in present[table.name]
            ]
    return tuple(missing)

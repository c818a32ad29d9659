"""Brings a database to the schema of this version, one process at a time."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, make_url, text

from telemetry_service.domain.errors import (
    DatabaseMissingError,
    SchemaBehindError,
    SchemaIncompleteError,
    SchemaTooNewError,
    StorageBusyError,
    StorageLoginError,
)
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.resources import migrations_folder
from telemetry_service.storage.driver_errors import connected, translated
from telemetry_service.storage.engine import make_engine, make_migrating_engine, make_private_file
from telemetry_service.storage.link import Link, link_of
from telemetry_service.storage.tables import Base
from telemetry_service.storage.version_table import VERSION_TABLE, current_revision, take_along, waits_to_be_taken_along

_LOCK = 0x74656C656D
"""The key of PostgreSQL's advisory lock: one process at a time migrates, and none looks at the schema meanwhile."""


def migrate(database_url: str) -> str:
    """Apply the missing migrations and return the revision.

    On SQLite the write lock of the transaction keeps other processes out, on PostgreSQL an advisory
    lock does; either way a crash leaves the old schema.

    Raises:
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database says that it is current, and is not.
        StorageUnavailableError: the database cannot be used.
    """
    make_private_file(database_url)
    # Busy: another process is migrating. Wait for its lock below, as long as that may take.
    with suppress(StorageBusyError):
        state = schema_state(database_url, makes_it=True)
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
    """The revision that a database has, None where it was never migrated, and the one that this version brings."""

    present: str | None
    newest: str
    too_new: bool
    """Whether a newer version of this service has migrated it."""
    current: bool
    """Whether the next start has nothing to migrate."""
    missing: tuple[str, ...] = ()
    """Tables and columns that it should have and lacks: someone has changed it by hand."""
    may_migrate: bool = True
    """Whether this role may make tables, and change those that are there."""
    link: Link | None = None


def schema_state(database_url: str, *, makes_it: bool = False) -> SchemaState:
    """Look at a database without changing anything.

    ``makes_it`` is for whoever is about to set it up: how an empty file is used is decided when it is first opened.

    Raises:
        StorageBusyError: another process is migrating it.
        StorageUnavailableError: the database cannot be used just now. Nothing was lost: the request was not
            acknowledged.
    """
    engine = make_engine(database_url, makes_it=makes_it)
    try:
        with translated(), connected(engine) as connection:
            _keep_migrations_out(connection)
            present, scripts = current_revision(connection), _scripts()
            too_new = present is not None and not _known(scripts, present)
            newest = scripts.get_current_head() or ""
            current = present == newest and not waits_to_be_taken_along(connection)
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
    """See that a database is there and has the schema of this version; nothing is made and nothing is changed.

    Raises:
        StorageUnavailableError: the database cannot be used.
        SchemaTooNewError: the database belongs to a newer version.
        SchemaBehindError: an older version made the database.
    """
    url = make_url(database_url)
    # Not Path.exists: that raises where a folder on the way may not be looked into.
    if url.get_backend_name() == "sqlite" and url.database and _nothing_in(url.database):
        raise DatabaseMissingError
    refuse_unless_current(schema_state(database_url))


def _nothing_in(file: str) -> bool:
    """Whether there is no file, or an empty one, into which opening it as a database could write a first page."""
    if not os.path.lexists(file):
        return True
    try:
        found = os.stat(file)  # noqa: PTH116 - a path as text
    except OSError:
        return False  # Opening it says why.
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def refuse_unless_current(state: SchemaState) -> None:
    """Let only a database pass that has the schema of this version.

    Raises:
        DatabaseMissingError: there is no database, or nothing in it.
        SchemaBehindError: an older version made the database.
        SchemaTooNewError: the database belongs to a newer version.
        SchemaIncompleteError: the database says that it is current, and is not.
        StorageLoginError: the schema is not current, and this role may not migrate it.
    """
    if state.missing:
        raise SchemaIncompleteError(state.missing)
    if state.too_new:
        raise SchemaTooNewError
    if not (state.current or state.may_migrate):
        raise StorageLoginError  # Whoever would start the service, or migrate, would be told so.
    if state.present is None:
        raise DatabaseMissingError
    if not state.current:
        raise SchemaBehindError


def _take_lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _keep_migrations_out(connection: Connection) -> None:
    """Let no migration commit in the middle of a look: PostgreSQL shows each statement its own state of the catalog.

    SQLite's transactions need no such lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})


def _configuration() -> Config:
    config = Config()
    # The parser of ini files, which Alembic uses here too, would take a percent sign for the name of an option.
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_configuration())


def _upgrade(connection: Connection) -> str:
    config = _configuration()
    config.attributes["connection"] = connection
    scripts = _scripts()
    present = current_revision(connection)
    if present is not None and not _known(scripts, present):
        raise SchemaTooNewError
    if without := _without_revision(connection, present):
        raise SchemaIncompleteError(without)
    take_along(connection)
    newest = scripts.get_current_head() or ""
    command.upgrade(config, newest)
    if present != newest:
        log_event(Event.DATABASE_MIGRATED, before=present or "nothing", revision=newest)
    return _complete(newest, _missing(connection))


def _without_revision(connection: Connection, present: str | None) -> tuple[str, ...]:
    """Return the table of the revision where the database has tables of ours and does not say which version's."""
    tables = set(inspect(connection).get_table_names())
    return (VERSION_TABLE,) if present is None and not tables.isdisjoint(Base.metadata.tables) else ()


def _missing(connection: Connection) -> tuple[str, ...]:
    """Return the tables, and the columns of the others, that a database of this revision should have and has not."""
    inspector = inspect(connection)
    present = {
        name: {column["name"] for column in columns} for (_, name), columns in inspector.get_multi_columns().items()
    }
    missing: list[str] = []
    for table in Base.metadata.sorted_tables:
        if table.name not in present:
            missing.append(table.name)
        else:
            missing += [
                f"{table.name}.{column.name}" for column in table.columns if column.name not in present[table.name]
            ]
    return tuple(missing)


def _known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False

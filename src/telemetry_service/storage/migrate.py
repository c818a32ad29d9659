"""Brings a database to the schema of this version, one process at a time."""

from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text

from telemetry_service.domain.errors import SchemaIncompleteError, SchemaTooNewError
from telemetry_service.resources import migrations_folder
from telemetry_service.storage.engine import make_engine, make_migrating_engine
from telemetry_service.storage.faults import translated
from telemetry_service.storage.tables import Base

_LOCK = 0x74656C656D
"""The key of PostgreSQL's advisory lock under which one process at a time migrates."""


def migrate(database_url: str) -> str:
    """Apply the missing migrations and return the revision.

    On SQLite the write lock of the transaction keeps other processes out, on PostgreSQL an advisory
    lock does; either way a crash leaves the old schema. Raises :class:`SchemaTooNewError` for a
    database of a newer version, :class:`SchemaIncompleteError` for one that says that it is current
    and is not, and :class:`StorageUnavailableError`.
    """
    engine = make_migrating_engine(database_url)
    try:
        with translated(), engine.begin() as connection:
            _take_lock(connection)
            return _upgrade(connection)
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision that a database has, None where it was never migrated, and the one that this version brings."""

    present: str | None
    newest: str
    too_new: bool
    """Whether a newer version of this service has migrated it."""
    missing: tuple[str, ...] = ()
    """Tables and columns that a database of the newest revision lacks: somebody has changed it by hand."""


def schema_state(database_url: str) -> SchemaState:
    """Look at a database without changing anything; raises :class:`StorageUnavailableError`."""
    engine = make_engine(database_url)
    try:
        with translated(), engine.connect() as connection:
            present, scripts = current_revision(connection), _scripts()
            too_new = present is not None and not _known(scripts, present)
            newest = scripts.get_current_head() or ""
            return SchemaState(present, newest, too_new, _missing(connection) if present == newest else ())
    finally:
        engine.dispose()


def _take_lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
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
    command.upgrade(config, "head")
    missing = _missing(connection)
    if missing:
        raise SchemaIncompleteError(missing)
    return scripts.get_current_head() or ""


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


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database, or None where it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False

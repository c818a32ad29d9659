"""Brings a database to the schema of this version, one process at a time."""

from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text

from telemetry_service.domain.errors import SchemaTooNewError
from telemetry_service.resources import migrations_folder
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.faults import translated

_LOCK = 0x74656C656D
"""The key of PostgreSQL's advisory lock under which one process at a time migrates."""


def migrate(database_url: str) -> str:
    """Apply the missing migrations and return the revision.

    On SQLite the write lock of the transaction keeps other processes out, on PostgreSQL an advisory
    lock does; either way a crash leaves the old schema. Raises :class:`SchemaTooNewError` for a
    database of a newer version and :class:`StorageUnavailableError`.
    """
    engine = make_engine(database_url)
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


def schema_state(database_url: str) -> SchemaState:
    """Look at a database without changing anything; raises :class:`StorageUnavailableError`."""
    engine = make_engine(database_url)
    try:
        with translated(), engine.connect() as connection:
            present, scripts = current_revision(connection), _scripts()
            too_new = present is not None and not _known(scripts, present)
            return SchemaState(present, scripts.get_current_head() or "", too_new)
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
    return scripts.get_current_head() or ""


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

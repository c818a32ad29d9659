"""Brings a database to the schema of this version, one process at a time."""

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


def _take_lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _upgrade(connection: Connection) -> str:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
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

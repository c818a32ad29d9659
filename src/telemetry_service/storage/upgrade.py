"""Runs the migrations. Only this module loads Alembic, so import it only where a migration is to be run."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from telemetry_service.resources import migrations_folder


def run_migrations(connection: Connection, revision: str) -> None:
    """Apply the migrations up to ``revision``, in the transaction of ``connection``."""
    config = Config()
    # Alembic reads this as an ini file, in which a percent sign starts the name of an option.
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)

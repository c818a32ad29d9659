"""Runs migrations on a connection from the service, or on one to `-x url=...`."""

from alembic import context
from sqlalchemy import Connection

from telemetry_service.storage.engine import make_migrating_engine
from telemetry_service.storage.partial_indexes import METADATA
from telemetry_service.storage.version_table import VERSION_TABLE, adopt_revision


def run(connection: Connection) -> None:
    """Migrate within the transaction of ``connection``."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        user_module_prefix="types.",
    )
    context.run_migrations()


def run_on(database_url: str) -> None:
    """Migrate in one transaction of a new connection."""
    engine = make_migrating_engine(database_url)
    try:
        with engine.begin() as connection:
            adopt_revision(connection)
            run(connection)
    finally:
        engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    run_on(context.get_x_argument(as_dictionary=True)["url"])

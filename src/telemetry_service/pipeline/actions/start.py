"""The first steps of a start: the first rows, the deployment's switch, the connection."""

from datetime import datetime

from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.customer import adopt_customers
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.follow_connection import follow_connection
from telemetry_service.storage.database import Database


def start(runtime: Runtime) -> None:
    """Prepare a migrated database; safe to run in any number of replicas at once."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.installation.create(now)
        follow_switch(runtime, tx, now)
        adopt_customers(runtime, tx)
    follow_connection(runtime)


def create_first_rows(database: Database, now: datetime) -> None:
    """Write the rows that everything else needs, unless they exist."""
    with database.write() as tx:
        tx.installation.create(now)

"""What a start of the service does before anything else: the first rows, the deployment's switch, the connection."""

from datetime import datetime

from telemetry_service.pipeline.connection_change import follow_connection
from telemetry_service.pipeline.customer import adopt_customers
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.switch import follow_switch
from telemetry_service.storage.database import Database


def start(installation: Installation) -> None:
    """Make a migrated database ready; safe to run in any number of replicas at once."""
    now = installation.clock.now()
    with installation.database.write() as tx:
        tx.installation.create(now)
        follow_switch(installation, tx, now)
        adopt_customers(installation, tx)
    follow_connection(installation)


def create_first_rows(database: Database, now: datetime) -> None:
    """Write the rows that stand before anything else, unless they stand already."""
    with database.write() as tx:
        tx.installation.create(now)

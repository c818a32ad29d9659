"""``telemetry-service migrate``."""

from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.open_service import read_settings
from telemetry_service.cli.output import AsJson, say, say_json


def migrate(*, as_json: AsJson = False) -> None:
    """Create or migrate the database. Also runs at startup.

    No other command creates or migrates a database.
    """
    settings = read_settings()
    from telemetry_service.service import set_up

    resume_collection()
    revision = set_up(settings)
    if as_json:
        say_json({"revision": revision})
    else:
        say(f"The database is at revision {revision}.")

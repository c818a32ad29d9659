"""``telemetry-service migrate``."""

from telemetry_service.cli.open_service import read_settings
from telemetry_service.cli.output import AsJson, say, say_json


def migrate(*, as_json: AsJson = False) -> None:
    """Set the database up: make it where there is none, and bring it to the schema of this version.

    A start of the service does the same. Apart from the two, no command makes or migrates a database.
    """
    settings = read_settings()
    from telemetry_service.app import set_up

    revision = set_up(settings)
    if as_json:
        say_json({"revision": revision})
    else:
        say(f"The database is at revision {revision}.")

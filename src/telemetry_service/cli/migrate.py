"""``telemetry-service migrate``."""

from telemetry_service.cli.opened import read_settings
from telemetry_service.cli.output import AsJson, say, say_json


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version. A start does the same."""
    settings = read_settings()
    from telemetry_service.storage.migrate import migrate as bring_up

    revision = bring_up(settings.database_url.get_secret_value())
    if as_json:
        say_json({"revision": revision})
    else:
        say(f"The database is at revision {revision}.")

"""The service as a command uses it: opened from the environment's settings, running nothing, closed at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telemetry_service.cli.output import complain

if TYPE_CHECKING:
    from telemetry_service.app import Service
    from telemetry_service.settings import Settings

SQLITE = "sqlite:///"
"""What the URL of a database in a file begins with; its path follows."""

ACTOR = "cli"
"""The actor of what is done by a command."""


def read_settings() -> "Settings":
    """Return the settings of the environment; raises :class:`SettingsError`."""
    from telemetry_service.settings import load_settings

    settings = load_settings(os.environ)
    if settings.ephemeral_keys:
        complain("DEMO_MODE=true: the keys are thrown away at the end, and what was sealed with them cannot be opened.")
    return settings


def _has_no_file_yet(settings: "Settings") -> bool:
    url = settings.database_url.get_secret_value()
    return url.startswith(SQLITE) and not os.path.lexists(url.removeprefix(SQLITE))


@contextmanager
def opened_service() -> Iterator["Service"]:
    """Open the service; raises :class:`SettingsError`, or what the database is about."""
    settings = read_settings()
    from telemetry_service.app import open_service

    new = _has_no_file_yet(settings)
    service = open_service(settings)
    if new:
        # It may well be that the command was meant for another one, and only the folder or the variable is wrong.
        complain("There was no database yet; a new one was made where TELEMETRY_DATABASE_URL says (default: ./data).")
    try:
        yield service
    finally:
        service.installation.database.close()

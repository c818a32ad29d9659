"""The service as a command uses it: opened from the environment's settings, running nothing, closed at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry_service.cli.output import complain
from telemetry_service.domain.errors import DatabaseMissingError, SchemaBehindError, TelemetryError

if TYPE_CHECKING:
    from telemetry_service.service import Service
    from telemetry_service.settings import Settings

SQLITE = "sqlite:///"
"""What the URL of a database in a file begins with; its path follows."""

ACTOR = "cli"
"""The actor of what is done by a command."""


def read_settings() -> "Settings":
    """Return the settings of the environment.

    Raises:
        SettingsError: the deployment's settings are wrong; raised at start-up, one line per fault.
    """
    from telemetry_service.settings import load_settings

    settings = load_settings(os.environ)
    if settings.ephemeral_keys:
        complain(
            "DEMO_MODE=true: the keys are discarded when the process ends, and data encrypted with them cannot be"
            " decrypted."
        )
    return settings


def with_place(error: TelemetryError, settings: "Settings") -> TelemetryError:
    """Say which database was looked at where there is none, or an old one: it may be that another one was meant.

    That is its kind, and the path of a file. A URL may hold a password.
    """
    if not isinstance(error, DatabaseMissingError | SchemaBehindError):
        return error
    url = settings.database_url.get_secret_value()
    place = f"SQLite, {Path(url.removeprefix(SQLITE)).absolute()}" if url.startswith(SQLITE) else "PostgreSQL"
    return type(error)(f"{error.sentence} Database: {place}.")


@contextmanager
def opened_service() -> Iterator["Service"]:
    """Open the service as it stands.

    Nothing is made, migrated or noted by it: that is for the service alone, and for ``migrate``.

    Raises:
        SettingsError: a setting is wrong.
        StorageUnavailableError: the database cannot be used as it stands.
    """
    settings = read_settings()
    from telemetry_service.service import open_for_command

    try:
        service = open_for_command(settings)
    except TelemetryError as error:
        raise with_place(error, settings) from None
    try:
        yield service
    finally:
        service.runtime.database.close()

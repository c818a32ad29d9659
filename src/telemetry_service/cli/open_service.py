"""Opens the service for a command: with the environment's settings, running nothing, closed at the end."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import say_on_stderr
from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.errors import DatabaseMissingError, SchemaBehindError, TelemetryError

if TYPE_CHECKING:
    from telemetry_service.service import OpenService
    from telemetry_service.settings import Settings

SQLITE = "sqlite:///"
"""The start of the URL of a database file; its path follows."""


def command_actor() -> Actor:
    """Return the actor of a command: the user of the operating system whom the process runs as.

    Variables such as ``USER`` are not asked, because anyone can set them.
    """
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # As in a container that runs as any number.
        user = str(uid)
    return Actor(ActorKind.COMMAND, user)


def read_settings() -> "Settings":
    """Return the settings of the environment.

    Raises:
        SettingsError: a setting is wrong; one sentence for each problem.
    """
    from telemetry_service.settings import load_settings

    settings = load_settings(os.environ)
    if settings.ephemeral_keys:
        say_on_stderr(
            "DEMO_MODE=true: the keys are discarded when the process ends, and data encrypted with them cannot be"
            " decrypted."
        )
    return settings


def with_place(error: TelemetryError, settings: "Settings") -> TelemetryError:
    """If there is no database, or an old one, add which one it is: perhaps a different one was meant.

    Only its kind and the path of a file, because a URL may contain a password.
    """
    if not isinstance(error, DatabaseMissingError | SchemaBehindError):
        return error
    url = settings.database_url.get_secret_value()
    place = f"SQLite, {Path(url.removeprefix(SQLITE)).absolute()}" if url.startswith(SQLITE) else "PostgreSQL"
    return type(error)(f"{error.sentence} Database: {place}.")


@contextmanager
def opened_service() -> Iterator["OpenService"]:
    """Open the service without changing anything.

    It creates, migrates and records nothing; only the service and ``migrate`` do.

    Raises:
        SettingsError: a setting is wrong.
        StorageUnavailableError: the database cannot be used in its present state.
    """
    settings = read_settings()
    from telemetry_service.service import open_for_command

    try:
        service = open_for_command(settings)
    except TelemetryError as error:
        raise with_place(error, settings) from None
    resume_collection()
    try:
        yield service
    finally:
        service.runtime.close()

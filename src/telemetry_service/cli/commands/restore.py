"""``telemetry-service restore``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.open_service import read_settings
from telemetry_service.cli.output import AsJson, say, say_json, say_on_stderr
from telemetry_service.domain.errors import DoneByPostgresqlError

if TYPE_CHECKING:
    from telemetry_service.cli.restoring import Restored
    from telemetry_service.settings import Settings

File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup that the command backup has written.")]


def restore(file: File, *, as_json: AsJson = False) -> None:
    """Replace the SQLite database with a backup, while the service is stopped. For PostgreSQL, print the command.

    The former database is kept under a dated name. Nothing is sent from the restored one until you say, with the
    command restored, what was sent since the backup. An older schema is migrated at the next start.
    """
    settings = read_settings()
    from telemetry_service.storage.in_use import file_of

    database = file_of(settings.database_url.get_secret_value())
    if database is None:
        _say_how(settings, file)
        raise DoneByPostgresqlError
    from telemetry_service.cli.restoring import restore_sqlite

    resume_collection()
    done = restore_sqlite(settings, file, database)
    if as_json:
        say_json({"database": str(done.database), "revision": done.revision, "kept": done.kept and str(done.kept)})
    else:
        _say(done, file)


def _say(done: "Restored", file: Path) -> None:
    say(f"Restored and verified: {file}. Database: SQLite, {done.database} (schema at revision {done.revision}).")
    if done.kept is not None:
        say(f"The former database is kept: {done.kept}")
    if not done.current:
        say("The next start, or the command migrate, migrates its schema.")
    say("Nothing is sent until you say what was sent since the backup: telemetry-service restored")


def _say_how(settings: "Settings", file: Path) -> None:
    from telemetry_service.storage.postgresql_programs import load_command

    say(load_command(settings.database_url.get_secret_value(), str(file.absolute())))
    say("telemetry-service restored --hold")
    say_on_stderr(
        "Stop the service, and restore into an empty database. pg_restore takes the password from PGPASSWORD or"
        " ~/.pgpass, or asks for it. Then --hold keeps anything from being sent until you say what was sent since the"
        " backup."
    )

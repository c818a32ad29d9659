"""``telemetry-service backup``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.open_service import SQLITE, read_settings, with_place
from telemetry_service.cli.output import AsJson, say, say_json, say_on_stderr
from telemetry_service.cli.whole_file import cannot_be_written, whole_file
from telemetry_service.domain.errors import DatabaseMissingError, DoneByPostgresqlError

if TYPE_CHECKING:
    from telemetry_service.settings import Settings
    from telemetry_service.storage.migrate import SchemaState

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; only this user can read it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


def backup(file: File, *, overwrite: Overwrite = False, as_json: AsJson = False) -> None:
    """Back up a SQLite database while the service runs. For PostgreSQL, print the command of pg_dump.

    The file appears when it is complete, verified and on the disk. It is of no use without the two encryption keys:
    keep them in a different place.
    """
    settings = read_settings()
    state = _schema(settings)
    url = settings.database_url.get_secret_value()
    if not url.startswith(SQLITE):
        _say_how(url, file)
    from telemetry_service.storage.backup import copy_online, require_whole

    with whole_file(file, overwrite=overwrite) as unfinished:
        try:
            copy_online(url, unfinished)
        except OSError:
            raise cannot_be_written(file) from None
        require_whole(unfinished)
        size = unfinished.stat().st_size
    if as_json:
        say_json({"file": str(file.absolute()), "bytes": size, "revision": state.present})
    else:
        say(f"Backed up and verified: {file.absolute()} ({size} bytes, schema at revision {state.present}).")


def _schema(settings: "Settings") -> "SchemaState":
    """Return the schema of the database, which may be that of an older version: it is backed up before an upgrade.

    Raises:
        DatabaseMissingError: there is no database.
        StorageUnavailableError: it cannot be read, or is incomplete.
    """
    from telemetry_service.storage.migrate import require_ours

    try:
        return require_ours(settings.database_url.get_secret_value())
    except DatabaseMissingError as error:
        raise with_place(error, settings) from None


def _say_how(url: str, file: Path) -> None:
    from telemetry_service.storage.postgresql_programs import dump_command

    say(dump_command(url, str(file.absolute())))
    say_on_stderr("The schema is complete. pg_dump takes the password from PGPASSWORD or ~/.pgpass, or asks for it.")
    raise DoneByPostgresqlError

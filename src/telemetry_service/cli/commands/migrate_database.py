"""``telemetry-service migrate-database``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.open_service import read_settings
from telemetry_service.cli.output import AsJson, say, say_json, say_table
from telemetry_service.domain.errors import SettingsError

if TYPE_CHECKING:
    from telemetry_service.cli.moving import Moved

_PLACE = "sqlite:///PATH, postgresql://USER@HOST:PORT/DATABASE, or @FILE with one of them"

From = Annotated[str, typer.Argument(metavar="FROM", help=f"The database to move: {_PLACE}.")]
To = Annotated[str, typer.Argument(metavar="TO", help=f"An empty database, or a file that does not exist: {_PLACE}.")]


def migrate_database(source: From, target: To, *, as_json: AsJson = False) -> None:
    """Move everything to another database, from SQLite to PostgreSQL or back, while the service is stopped.

    Only the keys of the settings are used, not TELEMETRY_DATABASE_URL: change it afterwards. The former database stays,
    and sends nothing if it is started again. Write no password into FROM and TO: it is taken from PGPASSWORD,
    ~/.pgpass, or the file of @FILE. Exits with 7 if the ledger cannot be verified in its new place.
    """
    settings = read_settings()
    from_url, to_url = _url(source, "FROM"), _url(target, "TO")
    from telemetry_service.cli.moving import move_database

    resume_collection()
    moved = move_database(settings, from_url, to_url)
    if as_json:
        say_json({"rows": dict(moved.rows), "ledger_problems": moved.problems})
    else:
        _say(moved)
    if moved.problems:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def _say(moved: "Moved") -> None:
    say_table(("table", "rows"), moved.rows.items())
    say("Every row is in the new database.")
    say("The ledger is verified there." if not moved.problems else "The ledger cannot be verified there: run doctor.")
    say("Now set TELEMETRY_DATABASE_URL to it, and start the service.")


def _url(given: str, name: str) -> str:
    """Return the URL for SQLAlchemy. No message contains what was given."""
    from telemetry_service.settings import database_url_of

    text = _read(Path(given[1:]), name) if given.startswith("@") else given
    try:
        url = database_url_of(text)
    except SettingsError as error:
        raise typer.BadParameter(error.text, param_hint=name) from None
    if text is given and _has_password(url):
        message = "has a password, which other users of this machine can read. Write the URL into a file: @FILE."
        raise typer.BadParameter(message, param_hint=name)
    return url


def _read(file: Path, name: str) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        message = "names a file that cannot be read."
        raise typer.BadParameter(message, param_hint=name) from None


def _has_password(url: str) -> bool:
    from urllib.parse import parse_qs, urlsplit

    parts = urlsplit(url)
    return bool(parts.password) or not parse_qs(parts.query).keys().isdisjoint({"password", "sslpassword"})

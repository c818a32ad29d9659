"""Assembles the commands, and turns every error into a sentence and an exit code."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from telemetry_service import __version__
from telemetry_service.cli.commands import ledger
from telemetry_service.cli.commands.admin import set_password
from telemetry_service.cli.commands.api_key import set_key
from telemetry_service.cli.commands.backup import backup
from telemetry_service.cli.commands.bundle import export, take_receipts
from telemetry_service.cli.commands.config import get_config, set_config
from telemetry_service.cli.commands.conformance import conformance
from telemetry_service.cli.commands.doctor import doctor
from telemetry_service.cli.commands.erase import erase, reset_instance_id
from telemetry_service.cli.commands.generate_key import generate_key
from telemetry_service.cli.commands.history import history
from telemetry_service.cli.commands.license_server import license_server
from telemetry_service.cli.commands.migrate import migrate
from telemetry_service.cli.commands.migrate_database import migrate_database
from telemetry_service.cli.commands.preview import preview
from telemetry_service.cli.commands.prove import prove
from telemetry_service.cli.commands.release import accept_without_receipt, release, withdraw
from telemetry_service.cli.commands.restore import restore
from telemetry_service.cli.commands.restored import restored
from telemetry_service.cli.commands.rotate_keys import rotate_keys
from telemetry_service.cli.commands.send_now import send_now
from telemetry_service.cli.commands.serve import serve
from telemetry_service.cli.commands.source import catch_up, check_source, reset_source
from telemetry_service.cli.commands.support_bundle import support_bundle
from telemetry_service.cli.commands.test_connection import check_connection
from telemetry_service.cli.commands.token import create, list_tokens, revoke
from telemetry_service.cli.demo.command import demo
from telemetry_service.cli.exit_codes import ExitCode, exit_code_of
from telemetry_service.cli.output import say, say_on_stderr
from telemetry_service.cli.protection import protect_memory
from telemetry_service.domain.errors import SettingsError, TelemetryError

_HELP = (
    "Telemetry management for Control Core.\n\nSettings come from environment variables and files; see the README."
    " Errors go to stderr, each with a code.\n\nExit codes: 0 success, 1 failure, 2 usage error, 3 invalid settings,"
    " 4 database error, 5 not delivered, 6 telemetry off, not configured, or waiting for release, 7 verification"
    " failed, 8 no database or an outdated schema."
)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit."""
    protect_memory()
    try:
        make_cli()(arguments, prog_name="telemetry-service")
    except SettingsError as error:
        say_on_stderr(error.text)
        sys.exit(ExitCode.SETTINGS)
    except TelemetryError as error:
        say_on_stderr(f"{error.text} ({error.code})")
        sys.exit(exit_code_of(error))
    except Exception as error:  # noqa: BLE001 - the texts of libraries may hold a secret, so none is shown
        say_on_stderr(f"The telemetry service had an internal error ({_place(error)}).")
        sys.exit(ExitCode.FAILED)


def make_cli() -> typer.Typer:
    """Return the command line."""
    cli = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    cli.callback(help=_HELP)(_options)
    for name, command in (
        ("serve", serve),
        ("demo", demo),
        ("license-server", license_server),
        ("conformance", conformance),
        ("migrate", migrate),
        ("migrate-database", migrate_database),
        ("generate-key", generate_key),
        ("preview", preview),
        ("send-now", send_now),
        ("test-connection", check_connection),
        ("history", history),
        ("prove", prove),
        ("release", release),
        ("withdraw", withdraw),
        ("accept-without-receipt", accept_without_receipt),
        ("backup", backup),
        ("restore", restore),
        ("restored", restored),
        ("doctor", doctor),
        ("support-bundle", support_bundle),
        ("rotate-keys", rotate_keys),
        ("erase", erase),
    ):
        cli.command(name)(command)
    cli.add_typer(_group({"set-password": set_password}, "Manage the local administrator."), name="admin")
    of_configuration: dict[str, Callable[..., None]] = {"get": get_config, "set": set_config}
    cli.add_typer(_group(of_configuration, "Show and change the settings."), name="config")
    cli.add_typer(_group({"set": set_key}, "Manage the API key."), name="api-key")
    cli.add_typer(_group({"reset": reset_instance_id}, "Manage the installation's ID."), name="instance-id")
    tokens: dict[str, Callable[..., None]] = {"create": create, "list": list_tokens, "revoke": revoke}
    cli.add_typer(_group(tokens, "Manage service tokens."), name="token")
    of_ledger: dict[str, Callable[..., None]] = {
        "verify": ledger.verify,
        "export": ledger.export,
        "key": ledger.key,
        "rotate-key": ledger.rotate_key,
    }
    cli.add_typer(_group(of_ledger, "Verify and export the ledger, and manage its key."), name="ledger")
    of_source: dict[str, Callable[..., None]] = {"check": check_source, "reset": reset_source, "catch-up": catch_up}
    cli.add_typer(_group(of_source, "Count usage from the Control Plane's own database."), name="source")
    bundles: dict[str, Callable[..., None]] = {"export": export, "import": take_receipts}
    cli.add_typer(_group(bundles, "Take payloads to the License Server in files."), name="bundle")
    return cli


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - as typer hands it over
    if wanted:
        say(f"telemetry-service {__version__}")
        raise typer.Exit


def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Handle the options before a command."""


def _group(commands: dict[str, Callable[..., None]], about: str) -> typer.Typer:
    group = typer.Typer(help=about, no_args_is_help=True, rich_markup_mode=None)
    for name, command in commands.items():
        group.command(name)(command)
    return group


def _place(error: Exception) -> str:
    """Return the kind of an error and where it came from, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"{type(error).__name__} in {module}, line {trace.tb_lineno}"

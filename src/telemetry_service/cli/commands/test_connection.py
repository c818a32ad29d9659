"""``telemetry-service test-connection``."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_as, say_table

if TYPE_CHECKING:
    from telemetry_service.domain.connection_check import ConnectionCheck

FromStdin = Annotated[bool, typer.Option("--api-key-stdin", help="Test a key from standard input, without saving it.")]


def check_connection(*, api_key_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Test the connection to the License Server, step by step. Sends no telemetry. Exits with 5 if it fails."""
    api_key = _read_api_key() if api_key_stdin else None
    with opened_service() as service:
        from telemetry_service.pipeline.actions.check_connection import check_connection as check

        result = check(service.runtime, command_actor(), api_key)
    if as_json:
        from telemetry_service.schemas.configuration import ConnectionCheckResponse

        say_as(ConnectionCheckResponse, result)
    else:
        _print(result)
    if not result.ok:
        raise typer.Exit(ExitCode.NOT_DELIVERED)


def _read_api_key() -> str:
    from telemetry_service.domain.configuration import api_key_error

    api_key = sys.stdin.readline().rstrip("\r\n")
    if (problem := api_key_error(api_key)) is not None:
        raise typer.BadParameter(problem, param_hint="--api-key-stdin")
    return api_key


def _print(result: "ConnectionCheck") -> None:
    verdicts = {True: "ok", False: "failed", None: "not tried"}
    say_table(
        ("STEP", "RESULT", "MS", "DETAIL"),
        ((step.name.value, verdicts[step.ok], step.duration_ms, step.detail) for step in result.steps),
    )
    words = result.cause_texts
    if words is None:
        say("The connection works.")
    else:
        say(f"{words.sentence} {words.next_step} ({words.code.value})")

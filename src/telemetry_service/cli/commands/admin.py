"""``telemetry-service admin``."""

import sys
from typing import Annotated

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import say
from telemetry_service.domain.plain_text import first_text_of

_STDIN_MAXIMUM = 10_000
"""Characters: many more than a password has, but not all of a wrong file."""


def set_password(
    *, stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False
) -> None:
    """Set the administrator's password. The command prompts for it and never takes it as an argument."""
    if stdin:
        password = first_text_of(sys.stdin.read(_STDIN_MAXIMUM))
    elif not sys.stdin.isatty():
        message = "No terminal is attached. Provide the password on standard input with --stdin."
        raise typer.BadParameter(message)
    else:
        password = typer.prompt("New password", hide_input=True, confirmation_prompt="Repeat the password")
    with opened_service() as service:
        opened = service.authentication.accounts.set_password(password, command_actor())
    say("The password for 'admin' is set. All browser sessions have ended.")
    if opened:
        say("TELEMETRY_LOCAL_LOGIN=false closes the login with it. It is open for an hour; sessions end then, too.")

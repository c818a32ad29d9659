"""Asks before a command does what cannot be undone."""

import sys

import typer

from telemetry_service.cli.output import say


def confirm(consequences: str | None = None, *, yes: bool) -> None:
    """Say the consequences, unless they were said already, and ask; ``yes`` does neither.

    Raises:
        BadParameter: there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        message = "No terminal is attached to confirm this. Use --yes."
        raise typer.BadParameter(message)
    if consequences is not None:
        say(consequences)
    typer.confirm("Continue?", abort=True)

"""``telemetry-service api-key set``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_json
from telemetry_service.domain.plain_text import first_text_of

if TYPE_CHECKING:
    from telemetry_service.pipeline.queries.configuration import ConfigurationView
    from telemetry_service.pipeline.runtime import Runtime

_MOST = 10_000
"""Characters: many more than a key has, but not all of a wrong file."""

Stdin = Annotated[bool, typer.Option("--stdin", help="Read the key from standard input.")]
File = Annotated[
    Path | None, typer.Option("--file", exists=True, dir_okay=False, readable=True, help="Read the key from a file.")
]
NoOverlap = Annotated[
    bool,
    typer.Option("--no-overlap", help="Destroy the old key now, because someone else may know it."),
]


def set_key(*, stdin: Stdin = False, file: File = None, no_overlap: NoOverlap = False, as_json: AsJson = False) -> None:
    """Save the API key. The command prompts for it, or reads it, and never takes it as an argument.

    The key that is saved already changes nothing. Payloads held for the old key are sent by the running service.
    """
    api_key = _checked(_read(file, stdin=stdin))
    with opened_service() as service:
        changed, view = _save(service.runtime, api_key, overlap=not no_overlap)
    if as_json:
        say_json({"changed": changed, "key_id": view.api_key.key_id, "hint": view.api_key.hint})
        return
    say(f"The API key that ends in {view.api_key.hint} is {'saved' if changed else 'unchanged'}.")


def _save(runtime: "Runtime", api_key: str, *, overlap: bool) -> "tuple[bool, ConfigurationView]":
    from telemetry_service.pipeline.actions.configure import set_api_key
    from telemetry_service.pipeline.api_key import holds
    from telemetry_service.pipeline.queries.configuration import read_configuration
    from telemetry_service.pipeline.snapshot import read_now

    view = read_now(runtime, read_configuration)
    with runtime.database.read() as tx:
        same = holds(runtime, tx, api_key)
    if same and (overlap or view.old_api_key is None):
        return False, view
    return True, set_api_key(runtime, api_key, command_actor(), overlap=overlap)


def _read(file: Path | None, *, stdin: bool) -> str:
    if stdin and file is not None:
        message = "Choose one of --stdin and --file."
        raise typer.BadParameter(message)
    if file is not None:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return first_text_of(opened.read(_MOST))
    if stdin:
        return first_text_of(sys.stdin.read(_MOST))
    if not sys.stdin.isatty():
        message = "No terminal is attached. Provide the key on standard input with --stdin, or name a --file."
        raise typer.BadParameter(message)
    return str(typer.prompt("API key", hide_input=True))


def _checked(text: str) -> str:
    from telemetry_service.domain.configuration import api_key_error

    if (problem := api_key_error(text)) is not None:
        message = f"This is not an API key. {problem}"
        raise typer.BadParameter(message)
    return text

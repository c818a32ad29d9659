"""The output of a command: results on stdout, everything else on stderr."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry_service.domain.phrases import iso

if TYPE_CHECKING:
    from telemetry_service.schemas.base import ResponseModel

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
"""The option of every command whose result scripts may use."""


def say(text: str = "") -> None:
    """Write a line of the result."""
    typer.echo(text)


def say_on_stderr(text: str) -> None:
    """Write a line that is not part of the result to stderr."""
    typer.echo(text, err=True)


def say_json(value: object) -> None:
    """Write the result as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say_as(model: "type[ResponseModel]", value: object) -> None:
    """Write a value in the JSON of the REST API."""
    typer.echo(model.model_validate(value).model_dump_json(indent=2))


def say_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table whose columns fit their content."""
    table = [tuple(head), *(tuple("-" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def moment(value: datetime | None) -> str | None:
    """Write a time in UTC, to the second; None stays None."""
    return None if value is None else iso(value)

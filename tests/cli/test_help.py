"""Every command explains itself, refuses what it does not know, and says which version it is."""

import re
from collections.abc import Iterator

import pytest

from telemetry_service import __version__
from telemetry_service.cli.command_line import make_cli
from tests.cli.conftest import CommandLine

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def commands() -> Iterator[tuple[str, ...]]:
    cli = make_cli()
    yield from ((command.name or "",) for command in cli.registered_commands)
    for group in cli.registered_groups:
        assert group.typer_instance is not None
        yield from ((group.name or "", command.name or "") for command in group.typer_instance.registered_commands)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_its_help_and_knows_what_it_does_not_know(
    bare: CommandLine, command: tuple[str, ...]
) -> None:
    helped = bare(*command, "--help")
    assert helped.code == 0
    assert f"Usage: telemetry-service {' '.join(command)}" in " ".join(_STYLE.sub("", helped.out).split())
    for wrong in ("--no-such-option", "--password=secret-word"):
        refused = bare(*command, wrong)
        assert (refused.code, refused.out) == (2, "")
        assert "secret-word" not in refused.err


@pytest.mark.parametrize("arguments", [(), ("admin",), ("token",), ("no-such-command",), ("token", "no-such-command")])
def test_no_command_and_an_unknown_one_are_wrong_usage(bare: CommandLine, arguments: tuple[str, ...]) -> None:
    assert bare(*arguments).code == 2


def test_the_version_is_shown_without_any_settings(bare: CommandLine) -> None:
    ended = bare("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"telemetry-service {__version__}\n", "")

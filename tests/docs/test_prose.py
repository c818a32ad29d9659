"""Pages, sentences, docstrings and comments keep to the project's words, or `make check` fails."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from telemetry_service.app import create_app
from telemetry_service.cli.command_line import make_cli
from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.service import Options
from telemetry_service.settings import load_settings
from telemetry_service.web.api.openapi import describe

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "prose.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prose", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["prose"] = module
    spec.loader.exec_module(module)
    return module


prose = load()

GOOD = "The payload is sent again with the same ID."
BAD = "Nobody has answered, so it goes out anew under the same id."
FOUND = {"Nobody", "answered", "goes out", "anew", "id"}


def test_the_repository_has_no_finding() -> None:
    checked = subprocess.run([sys.executable, str(SCRIPT)], check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "# A page\n\n{}\n"),
        ("docs/page.md", "| a | table |\n|---|---|\n| x | {} |\n"),
        ("templates/telemetry/part.html", "<p>{{% if it %}}{}{{% endif %}}</p>\n"),
        ("templates/part.html", '<nav aria-label="{}"></nav>\n'),
        ("src/package/static/scripts/part.js", 'say("{}");\n'),
        ("src/package/module.py", 'SENTENCE = "{}"\n'),
        ("src/package/module.py", 'def f(n: int) -> str:\n    return f"{{n}} times. {}"\n'),
        ("src/package/module.py", 'class A:\n    """{}"""\n'),
        ("src/package/module.py", 'a: int\n"""{}"""\n'),
        ("src/package/module.py", "a = 1  # {}\n"),
        ("benchmarks/speed.py", '"""{}"""\n'),
        (".ci/script.py", "# {}\n"),
        (".ci/programs", "#!/bin/sh\n# {}\n"),
        ("Makefile", "test: ## {}\n\t@true\n"),
        ("deploy/service.yaml", "a: 1\nb: {{c: 2}} # {}\n"),
        ("pyproject.toml", 'name = "{}"\n'),
        ("pyproject.toml", '"a.module".msg = "{}"\n'),
    ],
)
def test_a_sentence_that_does_not_keep_to_it_is_found_wherever_it_is(tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(GOOD))
    assert list(prose.all_findings(tmp_path)) == []
    path.write_text(text.format(BAD))
    assert {finding.found for finding in prose.all_findings(tmp_path)} == FOUND


@pytest.mark.parametrize("code", ["`{}`", "```sh\n{}\n```", "<!-- {} -->", "[page](docs/{})"])
def test_code_comments_and_addresses_of_a_page_are_no_prose(code: str) -> None:
    assert list(prose.of_page(code.format("nobody").replace("()", "(id)"), "page.md")) == []


def test_the_code_in_a_docstring_is_no_prose() -> None:
    assert list(prose.of_source('"""Return ``nobody`` for `told`."""\n', "module.py")) == []


def test_a_phrase_in_a_comment_may_continue_on_the_next_line() -> None:
    (finding,) = prose.of_configuration("a: 1\n# It goes\n# out again.\n", "file.yaml")
    assert (finding.line, finding.found) == (2, "goes out")


def test_only_the_comments_of_a_configuration_are_prose() -> None:
    assert (
        list(prose.of_configuration('nobody: "#anew"\nurl: https://host/#id\n# the user ``nobody``\n', "a.yaml")) == []
    )


def test_a_sentence_may_not_be_too_long() -> None:
    assert not list(prose.of_page(" ".join(["word"] * 45) + ".", "page.md"))
    (finding,) = prose.of_page("# Page\n\n" + " ".join(["word"] * 46) + ".", "page.md")
    assert (finding.line, "46 words" in finding.instead) == (3, True)


def helps(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - typer's own kind of command
    context = typer.Context(command, info_name=name)
    yield command.get_help(context)
    for child in getattr(command, "commands", {}).values():
        yield from helps(child, f"{name} {child.name}")


def test_the_help_of_every_command_keeps_to_it() -> None:
    texts = list(helps(typer.main.get_command(make_cli()), "telemetry-service"))
    assert len(texts) > 15
    assert [str(found) for text in texts for found in prose.findings(text)] == []


def descriptions(node: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"description", "summary"} and isinstance(value, str):
                yield value
            else:
                yield from descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from descriptions(value)


def test_the_dictionary_of_the_payload_keeps_to_it() -> None:
    entries = field_dictionary()
    texts = [text for entry in entries for text in (entry.meaning, entry.why, entry.source)]
    texts += [rule.meaning for rule in current_schema().root.rules]
    assert len(texts) > 60
    assert [str(found) for text in texts for found in prose.findings(text)] == []


def test_the_description_of_the_api_keeps_to_it(sqlite_url: str) -> None:
    settings = load_settings({"DEMO_MODE": "true", "TELEMETRY_DATABASE_URL": sqlite_url})
    texts = list(descriptions(describe(create_app(settings, Options(scheduled=False)))))
    assert len(texts) > 150
    assert [str(found) for text in texts for found in prose.findings(text.replace("`nobody`", ""))] == []

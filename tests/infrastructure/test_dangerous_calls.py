"""What the source must never do: run text, start programs, unpack objects, write markup, or mark text as safe."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "src" / "telemetry_service" / "web" / "static").rglob("*.js"))

RUN_TEXT = frozenset({"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"})
UNPACK = frozenset({"pickle", "marshal", "shelve", "dill", "yaml", "xml", "lxml"})
WRITE_MARKUP = re.compile(r"\.(?:inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|\beval\(|new Function")
MAY_START_PROGRAMS = frozenset({"reference/background.py"})
"""The demo's own License Server."""

NEEDS_SECRETS = ("identity/", "sealing/", "web/", "storage/")
ICONS = "templates/macros/icons.html"
"""Paths of drawings that are written there, and nothing else."""


def _name(node: ast.expr) -> str:
    return f"{_name(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _within(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "telemetry_service").as_posix()


def test_the_service_runs_no_text_and_no_other_program() -> None:
    assert len(SOURCES) > 200
    called = {(_within(path), _name(call.func)) for path in SOURCES for call in _calls(path)}
    assert [found for found in called if found[1] in RUN_TEXT] == []
    starters = [_within(path) for path in SOURCES if "subprocess" in _imports(path)]
    assert [path for path in starters if path not in MAY_START_PROGRAMS] == []


def test_the_service_unpacks_no_objects() -> None:
    assert [(_within(path), found) for path in SOURCES if (found := _imports(path) & UNPACK)] == []


def test_no_secret_comes_from_an_ordinary_random_generator() -> None:
    drawing = [_within(path) for path in SOURCES if "random" in _imports(path)]
    assert [path for path in drawing if path.startswith(NEEDS_SECRETS)] == []


def test_no_sql_is_put_together_from_values() -> None:
    # Names of tables cannot be bound; ruff's S608 asks for a reason wherever one is put into a statement.
    texts = [
        (_within(path), ast.unparse(call.args[0]))
        for path in SOURCES
        for call in _calls(path)
        if _name(call.func) in {"text", "sa.text", "sqlalchemy.text"} and call.args
    ]
    assert texts
    assert [found for found in texts if ".format(" in found[1] or " % " in found[1]] == []


def test_every_template_escapes_and_none_marks_text_as_safe() -> None:
    assert len(TEMPLATES) > 20
    for path in TEMPLATES:
        source = path.read_text()
        if path != ROOT / ICONS:
            assert "|safe" not in source.replace(" ", ""), path
        assert "autoescape" not in source, path


def test_no_script_writes_markup() -> None:
    own = [path for path in SCRIPTS if "vendor" not in path.parts and not path.name.startswith("htmx")]
    assert len(own) >= 4
    assert [path.name for path in own if WRITE_MARKUP.search(path.read_text())] == []


@pytest.mark.parametrize("script", ["x.innerHTML = y", "document.write(y)", "eval(y)", "new Function(y)"])
def test_what_writes_markup_is_found(script: str) -> None:
    assert WRITE_MARKUP.search(script)

"""The parts of the service are put together in one place, for tests and benchmarks too."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
WIRING = "src/telemetry_service/service.py"


def callers_of(name: str) -> Iterator[str]:
    for folder in ("src", "tests", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text()
            # Most files lack the name before a parenthesis, and parsing all takes seconds. The formatter has no space.
            if f"{name}(" in text and any(_calls(node, name) for node in ast.walk(ast.parse(text))):
                yield str(file.relative_to(ROOT))


def _calls(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    match node.func:
        case ast.Name(id=called) | ast.Attribute(attr=called):
            return called == name
        case _:
            return False


def test_the_runtime_is_made_in_one_place() -> None:
    assert list(callers_of("Runtime")) == [WIRING]


def test_the_service_is_made_in_one_place() -> None:
    assert list(callers_of("Service")) == [WIRING]

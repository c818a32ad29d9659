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


def test_no_package_has_a_name_that_is_also_one_of_its_modules() -> None:
    """Importing the module would replace what the package gave that name."""
    for package in (ROOT / "src").rglob("__init__.py"):
        modules = {one.stem for one in package.parent.iterdir() if one != package}
        assert not modules & set(_names_in(package)), package


def _names_in(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.ImportFrom(module=module, names=names):
                # ``from package.module import module`` is the same mistake.
                yield from (one.asname or one.name for one in names if (module or "").endswith(f".{one.name}"))
            case _:
                continue

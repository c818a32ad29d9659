"""The distribution stands alone: the standard library, its types, and a page that says what it does."""

import ast
import re
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import pytest

from control_core_telemetry_reporter import Statistics, __version__
from control_core_telemetry_reporter.options import Options

HOME = Path(__file__).parents[1]
NAME = "control_core_telemetry_reporter"
README = (HOME / "README.md").read_text()


def test_it_imports_nothing_but_the_standard_library() -> None:
    sources = list((HOME / "src").rglob("*.py"))
    assert sources
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in sys.stdlib_module_names | {NAME}, (source, name)


@pytest.mark.timeout(300)
def test_the_wheel_has_types_a_license_and_works_without_anything_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=HOME, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    assert (tmp_path / "installed" / NAME / "py.typed").exists()
    (description,) = (tmp_path / "installed").glob("*.dist-info")
    assert (description / "licenses" / "LICENSE").exists()
    metadata = (description / "METADATA").read_text()
    assert "Requires-Dist" not in metadata
    use = f"from {NAME} import Reporter; print(Reporter('http://127.0.0.1:9', 't', 'spool').statistics.waiting)"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(tmp_path / 'installed')!r}); {use}"]
    assert subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout == "0\n"


def test_the_page_names_every_option_and_every_statistic_and_no_default_that_is_wrong() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]*) \|$", README, re.MULTILINE))
    for option in fields(Options):
        assert option.name in table, option.name
    numbers = {name: float(text.replace(",", "")) for name, text in table.items() if re.fullmatch(r"[\d,]+", text)}
    assert numbers
    assert numbers == {name: getattr(Options(), name) for name in numbers}
    for statistic in fields(Statistics):
        assert f"`{statistic.name}`" in README, statistic.name


def test_the_changelog_has_this_version() -> None:
    assert f"## {__version__}\n" in (HOME / "CHANGELOG.md").read_text()

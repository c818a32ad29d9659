"""An installed package runs from any directory: templates and migrations travel inside the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_USE = """
from pathlib import Path
import telemetry_service
from telemetry_service.resources import migrations_folder, templates_folder
from telemetry_service.storage.migrate import migrate
home = Path(telemetry_service.__file__).parent
assert home in templates_folder().parents, "templates are not the package's own"
assert home in migrations_folder().parents, "migrations are not the package's own"
print(home, any(templates_folder().rglob("*.html")), migrate("sqlite:///installed.db"))
"""


@pytest.fixture
def installed(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """A folder into which the wheel was unpacked, far from the checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=pytestconfig.rootpath,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    return tmp_path / "installed"


def test_the_wheel_carries_its_templates_and_migrations(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    used = subprocess.run(
        [sys.executable, "-c", _USE],
        cwd=elsewhere,
        env={"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    home, templates, revision = used.stdout.split()
    assert Path(home) == installed / "telemetry_service"
    assert (templates, bool(revision)) == ("True", True)
    assert (elsewhere / "installed.db").exists()


def test_the_wheel_holds_no_test_and_no_secret(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert "telemetry_service" in tops
    assert len(tops) == 2, "beside the package there is only its own description"
    assert not [path for path in installed.rglob("*") if path.suffix in {".pem", ".key", ".db", ".env"}]

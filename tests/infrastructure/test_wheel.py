"""An installed package runs from any directory, and its page says what it is and where its documents are."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageMetadata
from pathlib import Path

import pytest

from telemetry_service.domain.payload_schemas.published import current_schema

_USE = """
from pathlib import Path
import telemetry_service
from telemetry_service.domain.payload_schemas.published import published
from telemetry_service.resources import migrations_folder, templates_folder
from telemetry_service.storage.migrate import migrate
home = Path(telemetry_service.__file__).parent
assert home in templates_folder().parents, "templates are not the package's own"
assert home in migrations_folder().parents, "migrations are not the package's own"
print(home, any(templates_folder().rglob("*.html")), migrate("sqlite:///installed.db"), published().current.sha256)
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


@pytest.fixture
def metadata(installed: Path) -> PackageMetadata:
    """What a package page is made from."""
    (folder,) = installed.glob("*.dist-info")
    return Distribution.at(folder).metadata


def test_the_wheel_carries_its_templates_migrations_and_payload_schemas(installed: Path, tmp_path: Path) -> None:
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
    home, templates, revision, schema = used.stdout.split()
    assert Path(home) == installed / "telemetry_service"
    assert (templates, bool(revision), schema) == ("True", True, current_schema().sha256)
    assert (elsewhere / "installed.db").exists()


def test_the_wheel_holds_no_test_and_no_secret(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert "telemetry_service" in tops
    assert len(tops) == 2, "beside the package there is only its own description"
    assert not [path for path in installed.rglob("*") if path.suffix in {".pem", ".key", ".db", ".env"}]


def test_a_type_checker_believes_the_types_of_the_installed_package(installed: Path) -> None:
    assert (installed / "telemetry_service" / "py.typed").exists()


def test_every_link_on_the_package_page_is_an_address_of_a_file_that_exists(
    metadata: PackageMetadata, pytestconfig: pytest.Config
) -> None:
    addresses = dict(entry.split(", ") for entry in metadata.get_all("Project-URL") or ())
    home = addresses.pop("Homepage") + "/"
    page = str(metadata.json["description"])
    links = re.findall(r"\]\(([^)]*)\)", page) + re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert len(links) > 20
    for link in [*links, *addresses.values()]:
        assert link.startswith("https://"), link
        if "example" in link:
            assert link.startswith(home), link
            assert (pytestconfig.rootpath / link.removeprefix(home).partition("#")[0]).is_file(), link


def test_the_package_page_says_whose_it_is_and_on_what_terms(metadata: PackageMetadata) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"]
    assert metadata["Maintainer"]
    assert metadata["Keywords"]
    assert "Typing :: Typed" in (metadata.get_all("Classifier") or ())

"""What is installed is pinned by hash, and is what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PINNED = ["runtime.txt", "build.txt", "dev.txt", "sbom.txt", "clients.txt", "generator.txt"]


@pytest.fixture
def folder(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "requirements"


def pins_of(file: Path) -> dict[str, str]:
    """Return the pinned versions by name; each entry goes on over its indented lines."""
    entries = re.findall(r"^[A-Za-z0-9].*(?:\n[ ].*)*", file.read_text(), flags=re.MULTILINE)
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries), "an entry carries no hash"
    requirements = [Requirement(entry.split("\\")[0].strip()) for entry in entries]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_is_pinned_to_one_version_and_its_hashes(folder: Path, name: str) -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.+]*", version) for version in pins_of(folder / name).values())


@pytest.mark.parametrize("name", PINNED)
def test_a_list_of_requirements_names_no_place_to_fetch_from(folder: Path, name: str) -> None:
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)", (folder / name).read_text())


def test_the_lists_satisfy_what_the_project_asks_for(folder: Path) -> None:
    project = tomllib.loads((folder.parent / "pyproject.toml").read_text())["project"]
    pins = pins_of(folder / "runtime.txt")
    wanted = [Requirement(text) for text in project["dependencies"]]
    assert [each.name for each in wanted if not each.specifier.contains(pins[canonicalize_name(each.name)])] == []


def test_the_tests_run_with_the_versions_that_are_delivered(folder: Path) -> None:
    delivered = pins_of(folder / "runtime.txt") | pins_of(folder / "build.txt")
    tested = pins_of(folder / "dev.txt")
    assert {name: tested.get(name) for name in delivered} == delivered

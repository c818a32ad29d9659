"""A newcomer can follow CONTRIBUTING: its commands run as they stand there, and the hook runs what CI runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = re.findall(
    r"^(?! )(.+?) *(?:#.*)?$", "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)), re.MULTILINE
)
CI_RUNS = re.findall(r"^make --no-print-directory (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
OF_CI = ["make test", "make check"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of this checkout in a repository of their own, with this checkout's environment."""
    folder = tmp_path / "clone"
    for name in run("git ls-files --cached --others --exclude-standard", ROOT).splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    environment = folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "node", "pyvenv.cfg"):
        if (ROOT / ".venv" / name).exists():  # The linters that need Node are not everywhere.
            (environment / name).symlink_to(ROOT / ".venv" / name)
    # The stamps are younger than everything else, so that nothing is installed.
    for stamp in (".runtime", ".dev", ".programs"):
        (environment / stamp).touch()
    run("git init --quiet", folder)
    return folder


def run(command: str, folder: Path) -> str:
    """Return what a command wrote that ended well there."""
    ended = attempt(command, folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def attempt(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command there as a person on a small machine would, with no settings but those of the repository."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "0"  # A few tests need no worker, and each takes seconds to start.
    return subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_two_commands_are_those_that_ci_runs() -> None:
    assert COMMANDS[:2] == OF_CI
    # Coverage is measured over the very same tests.
    assert [f"make {target}".replace("make coverage", "make test") for target in CI_RUNS] == OF_CI


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_other_command_runs_as_it_stands_there(clone: Path) -> None:
    for command in COMMANDS:
        if command not in OF_CI:
            run(command, clone)


@pytest.mark.timeout(400)
def test_coverage_below_what_is_asked_for_fails(clone: Path) -> None:
    ended = attempt('make coverage ARGS="tests/domain/test_timestamps.py -n 0 --cov-report="', clone)
    assert ended.returncode != 0
    assert re.search(r"^=+ \d passed in ", ended.stdout, re.MULTILINE), "it ran these tests alone"
    assert "Required test coverage of" in ended.stdout + ended.stderr


def test_every_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", GUIDE)) <= targets


def test_the_hook_is_a_valid_one_and_runs_what_ci_runs() -> None:
    run(".venv/bin/pre-commit validate-config", ROOT)
    settings = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: (.*)", settings) == ["make check"]
    assert set(re.findall(r"repo: (.*)", settings)) == {"local"}

"""Crashes and failing disks once more, with the SQLite that Python has: what is used where there is no bundled one."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AGAIN = (HERE / "test_crashes.py", HERE / "test_disk_faults.py", HERE.parent / "restore" / "test_restore_command.py")


@pytest.fixture
def system_sqlite(tmp_path: Path) -> dict[str, str]:
    """An environment in which the bundled library cannot be imported."""
    (tmp_path / "pysqlite3.py").write_text('raise ImportError("not on this machine")\n')
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def version(environment: dict[str, str]) -> str:
    """Return the release that the service uses in this environment."""
    code = "from telemetry_service.storage.sqlite_library import sqlite3; print(sqlite3.sqlite_version)"
    return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip()


@pytest.mark.waits
@pytest.mark.timeout(900)
@pytest.mark.skipif(not find_spec("pysqlite3"), reason="here, all tests use the SQLite that Python has")
def test_with_the_sqlite_of_python_crashes_and_failing_disks_do_no_harm_either(system_sqlite: dict[str, str]) -> None:
    assert version(system_sqlite) != version(dict(os.environ))
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "not postgresql", *map(str, AGAIN)]
    ended = subprocess.run(tests, env=system_sqlite, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout.splitlines()[-1]

"""What is written from the code is compared with it: by `make check`, which runs each of the scripts."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_make_docs_runs_each_script_that_writes_a_file_and_make_check_compares_each() -> None:
    scripts = [path.name for path in (ROOT / ".ci").glob("*.py") if '"--check"' in path.read_text()]
    users = [path.name for path in (ROOT / ".ci").glob("*.py") if "from written import" in path.read_text()]
    assert len(users) >= 6
    for script in {*scripts, *users} - {"written.py"}:
        assert MAKEFILE.count(f".ci/{script}\n") == MAKEFILE.count(f".ci/{script} --check\n") == 1, script


def test_a_table_that_is_not_what_the_code_says_is_an_error_and_is_written_again(tmp_path: Path) -> None:
    for name in (".ci/written.py", ".ci/metrics_table.py", "docs/monitoring.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "monitoring.md"
    right = page.read_text()
    page.write_text(right.replace("| `telemetry_health` | gauge |", "| `telemetry_health` | counter |"))
    checked = run(tmp_path, "--check")
    assert (checked.returncode, "docs/monitoring.md is not what the code says" in checked.stderr) == (1, True)
    assert run(tmp_path).returncode == 0
    assert page.read_text() == right
    page.write_text(right.replace("<!-- End of the metrics. -->", ""))
    assert "PlaceMissingError" in run(tmp_path).stderr


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the metrics there."""
    command = [sys.executable, str(folder / ".ci" / "metrics_table.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)

"""The command behind ``make mutants``: mutmut, a PostgreSQL server for the tests that need one, and the report.

What is mutated, and by which tests, stands in ``pyproject.toml``. A mutant that survives is shown as its diff;
``docs/reliability.md`` says of each why nothing can notice it.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.databases import TEST_SERVER_VARIABLE
from tests.support.postgres import PostgresServer

_MUTMUT = str(Path(sys.executable).with_name("mutmut"))
_FOLDER = Path("mutants", "src", "telemetry_service")
_KILLED = 1
"""pytest's exit code where a test has failed."""


def main() -> int:
    """Run mutmut, print how many mutants of each file were killed and the diff of every other one."""
    with _test_server() as url:
        ran = subprocess.run([_MUTMUT, "run", *sys.argv[1:]], env=os.environ | {TEST_SERVER_VARIABLE: url}, check=False)
    if ran.returncode == 0:
        _report(dict(_verdicts()))
    return ran.returncode


@contextmanager
def _test_server() -> Iterator[str]:
    """Give the URL of the server that is named already, or of one for this run: each mutant would start its own."""
    given = os.environ.get(TEST_SERVER_VARIABLE)
    if given:
        yield given
        return
    server = PostgresServer.make(durable=False)
    try:
        server.start()
        yield server.url()
    finally:
        server.remove()


def _verdicts() -> Iterator[tuple[str, dict[str, int | None]]]:
    """Yield each mutated file with its mutants' names and the exit codes of their tests."""
    for path in sorted(_FOLDER.rglob("*.meta")):
        verdicts: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        if verdicts:
            yield str(path.relative_to(_FOLDER)).removesuffix(".meta"), verdicts


def _report(verdicts: dict[str, dict[str, int | None]]) -> None:
    killed: Counter[str] = Counter()
    for file, codes in verdicts.items():
        for name, code in codes.items():
            if code == _KILLED:
                killed[file] += 1
            else:
                _show(name)
    for file, codes in verdicts.items():
        sys.stdout.write(f"{file:<28}{len(codes):>5} mutants{killed[file]:>6} killed\n")
    everything = sum(map(len, verdicts.values()))
    sys.stdout.write(f"{'all':<28}{everything:>5} mutants{killed.total():>6} killed\n")


def _show(name: str) -> None:
    """Print a mutant's fate and its diff, as mutmut shows it."""
    shown = subprocess.run([_MUTMUT, "show", name], capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if re.match(r"#|[-+](?![-+])", line)]
    sys.stdout.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    sys.exit(main())

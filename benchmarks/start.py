"""What a start costs: of the service until its first response, and of a command until it ends.

The reference is measured in turn with it: a process that imports the same modules, except our own, and for the service
has an application with one route on the same server. So the ratio says what our own code adds. Processor time is
measured, because a start waits for nothing. Run it with ``python -m benchmarks.start``.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.setting import median_ratio
from telemetry_service.cli.liveness import is_alive
from telemetry_service.sealing.keyring import generate_key
from tests.support.program import kept_environment

ROUNDS = 11
_HOST = "127.0.0.1"
_OURS = [sys.executable, "-m", "telemetry_service.cli"]
_TICKS = os.sysconf("SC_CLK_TCK")
_IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| *(\S+)")

_IMPORT = "import contextlib, importlib, sys\nfor name in {names!r}:\n"
_IMPORT += "    with contextlib.suppress(Exception):\n        importlib.import_module(name)\n"
_SERVE = """
import fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "alive"}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="h11", ws="none", log_config=None)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process has used."""

    seconds: float
    mebibytes: float = 0


class Starts:
    """Starts programs in one folder with one environment."""

    def __init__(self, folder: Path) -> None:
        """Set up a database there."""
        self._folder = folder
        self._environment = kept_environment() | {
            "ENCRYPTION_KEY": generate_key(),
            "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
            "TELEMETRY_DATABASE_URL": f"sqlite:///{folder}/start.db",
        }
        self.until_end([*_OURS, "migrate"])

    def until_response(self, command: Sequence[str]) -> Cost:
        """Return what a server has used when it first responds; its port is added to ``command``."""
        port = _free_port()
        with self._running([*command, str(port)]) as process:
            while not is_alive(port, _HOST):
                time.sleep(0.002)
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            times = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
            return Cost((int(times[11]) + int(times[12])) / _TICKS, resident)

    def until_end(self, command: Sequence[str]) -> Cost:
        """Return what a program has used when it ends."""
        with self._running(command) as process:
            _, status, used = os.wait4(process.pid, 0)
        if status != 0:
            raise subprocess.CalledProcessError(status, command)
        return Cost(used.ru_utime + used.ru_stime)

    def imports_of(self, command: Sequence[str], run: Callable[[Sequence[str]], object]) -> list[str]:
        """Return what a program imports, in this order, without our own modules."""
        with (self._folder / "imports").open("w+", encoding="utf-8") as log:
            self._errors = log.fileno()
            run([command[0], "-X", "importtime", *command[1:]])
            self._errors = subprocess.DEVNULL
            log.seek(0)
            names = (found[1] for line in log if (found := _IMPORTED.match(line)))
            return [name for name in names if not name.startswith("telemetry_service")]

    @contextmanager
    def _running(self, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command, cwd=self._folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=self._errors
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    _errors = subprocess.DEVNULL


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as free:
        return int(free.getsockname()[1])


Pairs: TypeAlias = list[tuple[Cost, Cost]]
"""What our program used, and its reference, in each round."""


def serving(rounds: int) -> Pairs:
    """Measure the service until its first response."""
    with _starts() as starts:
        return _pairs(starts, starts.until_response, [*_OURS, "serve", "--port"], _SERVE, rounds)


def starting(arguments: Sequence[str], rounds: int) -> Pairs:
    """Measure a command until it ends."""
    with _starts() as starts:
        return _pairs(starts, starts.until_end, [*_OURS, *arguments], "", rounds)


@contextmanager
def _starts() -> Iterator[Starts]:
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as folder:
        yield Starts(Path(folder))


def _pairs(starts: Starts, run: Callable[[Sequence[str]], Cost], ours: list[str], serve: str, rounds: int) -> Pairs:
    imports = starts.imports_of(ours, run)
    reference = [sys.executable, "-c", _IMPORT.format(names=imports) + serve]
    return [(run(ours), run(reference)) for _ in range(rounds)]


def show(name: str, pairs: Pairs) -> None:
    """Print the ratios."""
    print(f"{name:<40}{median_ratio([(one.seconds, other.seconds) for one, other in pairs])}")
    if pairs[0][0].mebibytes:
        memory = median_ratio([(one.mebibytes, other.mebibytes) for one, other in pairs])
        print(f"{'  its resident memory':<40}{memory}")
    print(f"  ({1000 * min(one.seconds for one, _ in pairs):,.0f} ms)")


def main() -> None:
    """Read the options and measure."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    show("service, start to first response", serving(ROUNDS))
    for command in (["history"], ["token", "list"], ["preview"], ["--help"]):
        show(" ".join(command), starting(command, ROUNDS))


if __name__ == "__main__":
    main()

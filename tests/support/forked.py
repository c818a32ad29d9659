"""The service's program in a forked process: all of it but the start of Python and the imports."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from telemetry_service.cli import main
from tests.support.forkserver import CONTEXT, fork


class Forked:
    """What ``subprocess.Popen`` offers, as far as a ``Program`` needs it."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        errors: Path,
        first: Callable[[], None] | None = None,
    ) -> None:
        """Start it in ``folder``; its standard error is the file ``errors``, its standard output ``stdout``.

        ``first`` is called in it before anything else.
        """
        reader, writer = CONTEXT.Pipe(duplex=False)
        self._process = fork(_become, arguments, folder, dict(environment), errors, writer, first)
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()), "rb", buffering=0)
        reader.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, once it has ended; a signal that ended it is negative."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("telemetry-service", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _become(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    errors: Path,
    output: Connection,
    first: Callable[[], None] | None,
) -> None:
    """Be the program, as far as a process can tell that was not started as one."""
    os.setsid()
    os.dup2(output.fileno(), 1)
    with errors.open("ab") as file:
        os.dup2(file.fileno(), 2)
    output.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["telemetry-service", *arguments]
    if first is not None:
        first()
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - a forked process ends without, and the last lines of the log with it

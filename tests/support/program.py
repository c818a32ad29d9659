"""The installed program as a process of its own, to be waited for, signaled and read."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.forked import Forked

_PATIENCE_SECONDS = 150
"""No test is about how long this takes; it only must not wait for ever."""

_MOMENT_SECONDS = 0.05

_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
"""The last is there while coverage is measured."""


def kept_environment() -> dict[str, str]:
    """Return what a program sees of the environment of the tests."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


class Program:
    """A running ``telemetry-service``; use it as a context manager. Whatever is left of it is killed at the end."""

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        watched_by: Sequence[str] = (),
        forked: bool = False,
    ) -> None:
        """Prepare to run it in ``folder``, with nothing in its environment but ``environment``.

        Args:
            arguments: of the command line.
            folder: where it runs; its standard error is a file there.
            environment: what it sees besides what every program of the tests sees.
            watched_by: a command that becomes the program, such as ``strace -D``.
            forked: for a test that is about neither the start of Python nor what is imported: a second quicker.
        """
        self._forked = forked
        self._watched_by = watched_by
        self._arguments = arguments
        self._folder = folder
        self._environment = {**kept_environment(), "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._seen = b""

    def __enter__(self) -> Self:
        self._errors = (self._folder / "standard-error").open("w+b")
        self.process = self._fork() if self._forked else self._start()
        return self

    def _fork(self) -> Forked:
        return Forked(self._arguments, self._folder, self._environment, Path(self._errors.name))

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._watched_by, sys.executable, "-m", "telemetry_service.cli", *self._arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return (self._folder / "standard-error").read_text()

    def wait_for_output(self, wanted: str) -> str:
        """Return what it wrote to standard output, once ``wanted`` is in it."""
        return self._wait(wanted, self._read)

    def wait_for_error(self, wanted: str) -> str:
        """Return what it wrote to standard error, once ``wanted`` is in it."""
        return self._wait(wanted, lambda: self.errors)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log so far, each the one JSON document that it must be."""
        return [json.loads(line) for line in self.errors.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for_event(self, name: str, **fields: object) -> dict[str, Any]:
        """Return the first line of its log with this event and these fields, once it is there."""
        found: list[dict[str, Any]] = []

        def look() -> str:
            found[:] = [
                line
                for line in self.lines
                if line["event"] == name and all(line.get(k) == v for k, v in fields.items())
            ]
            return name if found else ""

        self._wait(name, look)
        return found[0]

    def wait_for_url(self) -> str:
        """Return the address at which it responds, once it does."""
        listening: str = self.wait_for_event("service_started")["listening"]
        return f"http://{listening}"

    def stop(self, number: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(_PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self._seen += self.process.stdout.read()
        return code

    @property
    def output(self) -> str:
        """What was read of its standard output so far; all of it once it was stopped."""
        return self._seen.decode()

    def _read(self) -> str:
        """Read what is there, without waiting for more than a moment."""
        if self.process.stdout is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if selector.select(_MOMENT_SECONDS):
                    self._seen += os.read(self.process.stdout.fileno(), 65_536)
        return self.output

    def _wait(self, wanted: str, written: Callable[[], str]) -> str:
        patience = time.monotonic() + _PATIENCE_SECONDS
        while wanted not in (found := written()):
            if self.process.poll() is not None or time.monotonic() > patience:
                message = f"{wanted!r} never came; it wrote:\n{found}\n{self.errors}"
                raise AssertionError(message)
            time.sleep(_MOMENT_SECONDS)
        return found

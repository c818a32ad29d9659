"""Processes that count, and are killed."""

import functools
import os
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from clients.python.tests.support import quick
from control_core_telemetry_reporter import Reporter
from tests.support.forkserver import CONTEXT, fork

COUNTED = b"."
FLUSHED = b"F"


class Counting:
    """A process that counts one event after the other and says so after each; use it as a context manager."""

    def __init__(self, url: str, token: str, spool: Path, bouncer_id: str, durability: str) -> None:
        self._reader, writer = CONTEXT.Pipe(duplex=False)
        self.process: BaseProcess = fork(_count, writer, url, token, spool, bouncer_id, durability)
        writer.close()

    def kill_after(self, wanted: int) -> bytes:
        """Kill it once it has said as much, and return all that it said."""
        said = os.read(self._reader.fileno(), 1)
        while len(said) < wanted:
            said += os.read(self._reader.fileno(), wanted)
        self.process.kill()
        while more := os.read(self._reader.fileno(), 65_536):
            said += more
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL
        self._reader.close()
        return said


def _count(writer, url: str, token: str, spool: Path, bouncer_id: str, durability: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    reporter = quick(url, token, spool, durability=durability)
    said = 0
    while True:
        reporter.count(bouncer_id, "production", audit_events=1)
        said += os.write(writer.fileno(), COUNTED)
        if durability == "interval" and said % 50 == 0 and reporter.flush(60):
            os.write(writer.fileno(), FLUSHED)


def run(target: Callable[..., None], *arguments: object, **named: object) -> None:
    """Run a function in a process of its own, to its end."""
    process = fork(functools.partial(target, *arguments, **named))
    process.join(60)
    assert process.exitcode == 0


def fill_and_wait(url: str, token: str, spool: Path, most_bytes: int) -> None:
    """Count while no file may become larger than that; see ``test_spool``."""
    reporter = Reporter(url, token, spool, durability="process", flush_seconds=0.02, send_seconds=60)
    reporter.count("bnc-on-disk", "production", audit_events=1)
    limit(most_bytes)
    for _ in range(200):
        reporter.count("bnc-full", "production", audit_events=1)
    assert not reporter.statistics.spooled
    assert not reporter.flush(5), "what is on the disk has no ID yet, and gets none now"
    assert reporter.statistics.accepted == 1, "what is in memory alone is sent"
    limit(None)
    reporter.count("bnc-again", "production", audit_events=1)
    assert reporter.close()
    assert reporter.statistics.spooled


def send_with_a_full_disk(url: str, token: str, spool: Path, *, frees: bool) -> None:
    """Send what an earlier process has left, while nothing can be written."""
    reporter = Reporter(url, token, spool, send_seconds=60)
    limit(10)
    if frees:
        assert not reporter.flush(5), "no one would know that it may have arrived"
        limit(None)
    assert reporter.flush(5)
    assert reporter.close()
    limit(None)  # What else the process writes at its end, such as coverage, is not meant.


def limit(most_bytes: int | None) -> None:
    """Let no write make a file larger than that."""
    import resource  # noqa: PLC0415 - in the process that it limits

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft = resource.RLIM_INFINITY if most_bytes is None else most_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

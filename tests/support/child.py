"""A replica of the service in a process of its own, to be killed, stopped and starved.

The process is forked off a server that has imported everything already, so that a kill costs no start-up.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from multiprocessing.process import BaseProcess
from pathlib import Path

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.actions.catch_up import catch_up, plan_catch_up
from telemetry_service.pipeline.actions.rotate_keys import rotate_keys
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN
from tests.support.forkserver import fork
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""Since when a child catches up on the source."""

_TRIES = 5
_POLL_SECONDS = 0.005
PATIENCE_SECONDS = 60


class Deed(StrEnum):
    """What a child process can do."""

    RECORD = "record"
    WAKE = "wake"
    SEND_NOW = "send_now"
    PURGE = "purge"
    ROTATE_KEYS = "rotate_keys"
    READ_SOURCE = "read_source"
    CATCH_UP = "catch_up"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child does, in turn, and where it dies if it is to die by its own hand."""

    replica: Replica
    clock_file: Path
    deeds: Sequence[Deed]
    reports: Sequence[UsageReport] = ()
    die_at: Failpoint | None = None
    stop_at: Failpoint | None = None
    """Where it stops itself (SIGSTOP) until somebody lets it go on."""
    folder: Path | None = None
    """With a folder, the child reports there that it is ``ready``, and waits for ``go``."""


def launch(orders: Orders) -> BaseProcess:
    """Start a child; it runs when this returns, and is ready later."""
    return fork(_live, orders)


def exit_code(process: BaseProcess) -> int:
    """Wait for a child's end and return its exit code; a killed one's is the signal, negative."""
    process.join(PATIENCE_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        msg = "the child did not come to its end"
        raise TimeoutError(msg)
    return process.exitcode


def await_stop(process: BaseProcess) -> int:
    """Wait until a child has stopped itself and return its process id."""
    for _ in range(int(PATIENCE_SECONDS / _POLL_SECONDS)):
        if process.pid and Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return process.pid
        time.sleep(_POLL_SECONDS)
    raise TimeoutError


def await_file(path: Path) -> None:
    """Wait until a file is there."""
    for _ in range(int(PATIENCE_SECONDS / _POLL_SECONDS)):
        if path.exists():
            return
        time.sleep(_POLL_SECONDS)
    raise TimeoutError


def _watcher(orders: Orders) -> Callable[[Failpoint], None]:
    """Return a watcher that kills its process, as ``kill -9`` does, or stops it, at a failpoint."""

    def watch(failpoint: Failpoint) -> None:
        if failpoint is orders.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if failpoint is orders.stop_at:
            os.kill(os.getpid(), signal.SIGSTOP)

    return watch


def _live(orders: Orders) -> None:
    runtime = orders.replica.open(SharedClock(orders.clock_file), _watcher(orders))
    if orders.folder is not None:
        (orders.folder / "ready").write_text(str(os.getpid()))
        await_file(orders.folder / "go")
    for deed in orders.deeds:
        _persist(orders, lambda deed=deed: _do(deed, runtime, orders))  # type: ignore[misc]
    runtime.close()


def _persist(orders: Orders, act: Callable[[], object]) -> None:
    """Try again what the database refused, as a reporter of usage and the schedule do."""
    for attempt in range(_TRIES):
        try:
            act()
        except StorageUnavailableError as refusal:
            if orders.folder is not None:
                with (orders.folder / "refused").open("a") as notes:
                    notes.write(refusal.code + "\n")
            if attempt == _TRIES - 1:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _do(deed: Deed, runtime: Runtime, orders: Orders) -> None:
    match deed:
        case Deed.RECORD:
            record(runtime, [orders.reports])
        case Deed.WAKE:
            wake(runtime)
        case Deed.SEND_NOW:
            send_now(runtime, ADMIN, None)
        case Deed.PURGE:
            purge(runtime)
        case Deed.ROTATE_KEYS:
            rotate_keys(runtime, ADMIN)
        case Deed.READ_SOURCE:
            read_up_to_now(runtime)
        case Deed.CATCH_UP:
            for _ in catch_up(runtime, plan_catch_up(runtime, LONG_AGO), ADMIN):
                pass

"""The reporter, as its host sees it: it counts, and never raises or waits for the network."""

import atexit
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from time import monotonic, time
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from control_core_telemetry_reporter.exchange import Endpoint
from control_core_telemetry_reporter.folder import SpoolFolder
from control_core_telemetry_reporter.options import Durability, Options
from control_core_telemetry_reporter.report import Counts, Key
from control_core_telemetry_reporter.statistics import Statistics
from control_core_telemetry_reporter.tally import Tally, is_valid
from control_core_telemetry_reporter.worker import Parts, Worker

_CLOSE_SECONDS = 5.0
_START_AGAIN_SECONDS = 1.0

_reporters: WeakSet["Reporter"] = WeakSet()
"""All of this process: the system's hooks for a fork and for the end of a process cannot be taken back."""


class Reporter:
    """Counts in memory, keeps the counts in a folder, and reports them to the telemetry service.

    Nothing happens before the first ``count``, ``flush`` or ``with``. A forked process has its own thread and spool.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        spool: str | os.PathLike[str],
        *,
        durability: Durability = "interval",
        ca_file: str | os.PathLike[str] | None = None,
        now: Callable[[], float] = time,
        **options: Any,  # noqa: ANN401 - the fields of Options, which checks them
    ) -> None:
        """Prepare to report.

        Args:
            url: of the service, such as ``https://telemetry.internal``; no redirect is followed and no proxy is used.
            token: a service token with the scope ``report``, or a function that returns the present one.
            spool: a folder on a local disk, which processes may share. It is created when it is first needed.
            durability: what is on disk when ``count`` returns: ``interval``, ``process`` or ``machine``.
            ca_file: a PEM file of certificate authorities, trusted in addition to the system's.
            now: the wall clock, in seconds since 1970.
            **options: other fields of ``Options``.

        Raises:
            ValueError: one of these is not valid. Nothing else is ever raised.
        """
        self._options = Options(durability=durability, **options)
        try:
            endpoint = Endpoint(url, Path(ca_file) if ca_file is not None else None)
        except OSError:
            raise ValueError("ca_file cannot be read") from None
        self._parts = Parts(endpoint, _checked(token), SpoolFolder(Path(spool), self._options), self._options, now)
        self._writes_through = durability != "interval"
        self._closed = False
        self._tally = Tally(self._options.max_bouncers)
        self._worker: Worker | None = None
        self._starting = Lock()
        self._starts_after = 0.0
        _watch(self)

    def __repr__(self) -> str:
        return f"Reporter(host={self._parts.endpoint.host!r}, spool={str(self._parts.folder.path)!r})"

    def __enter__(self) -> Self:
        self._running()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def count(
        self,
        bouncer_id: str,
        environment: str,
        *,
        audit_events: int = 0,
        policy_decisions: int = 0,
        successful_decisions: int = 0,
    ) -> None:
        """Add to the counts of a bouncer; ``statistics.dropped`` says what could not be counted.

        Args:
            bouncer_id: of the registered bouncer.
            environment: ``sandbox`` or ``production``.
            audit_events: all audit events, policy decisions included.
            policy_decisions: those that were policy decisions.
            successful_decisions: the policy decisions that succeeded.
        """
        try:
            self._count((bouncer_id, environment), (audit_events, policy_decisions, successful_decisions))
        except Exception:  # noqa: BLE001 - whatever a caller passes, or a full machine refuses, the host continues
            self._tally.drop()

    def flush(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Write and send everything now, and wait for it at most ``timeout`` seconds; whether nothing is left."""
        with suppress(Exception):
            worker = self._running()
            return worker is not None and worker.flush(timeout)
        return False

    def close(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Write and send everything, and stop; whether nothing is left. What is left is sent by the next process."""
        was_closed, self._closed = self._closed, True
        with suppress(Exception):
            return self._worker is None or was_closed or self._worker.stop(timeout)
        return False

    @property
    def statistics(self) -> Statistics:
        """What this process has done so far."""
        if self._worker is not None:
            return self._worker.statistics()
        return Statistics(dropped=self._tally.dropped)

    def _count(self, key: Key, counts: Counts) -> None:
        worker = self._worker or self._running()
        if self._closed:
            self._tally.drop()
        elif not (self._writes_through and worker and is_valid(key, counts) and worker.write_through({key: counts})):
            self._tally.add(key, counts)

    def _running(self) -> Worker | None:
        """Return the worker, started if need be; None if the process can have no thread now."""
        if self._worker is None and not self._closed and self._starting.acquire(blocking=False):
            try:
                self._start()
            finally:
                self._starting.release()
        return self._worker

    def _start(self) -> None:
        if self._worker is not None or monotonic() < self._starts_after:
            return
        self._starts_after = monotonic() + _START_AGAIN_SECONDS
        worker = Worker(self._parts, self._tally)
        worker.start()
        self._worker = worker

    def _before_fork(self) -> None:
        if self._worker is not None:
            self._worker.before_fork()

    def _after_fork(self) -> None:
        if self._worker is not None:
            self._worker.after_fork()

    def _after_fork_in_child(self) -> None:
        """What was counted before is the parent's."""
        inherited, self._worker = self._worker, None
        self._tally = Tally(self._options.max_bouncers)
        self._starting = Lock()
        self._starts_after = 0.0
        if inherited is not None:
            inherited.abandon()


def _checked(token: str | Callable[[], str]) -> Callable[[], str]:
    """Return a function for a token that fits into a header."""
    if isinstance(token, str):
        valid = _valid(token)
        return lambda: valid
    return lambda: _valid(token())


def _valid(token: str) -> str:
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ValueError("token contains characters that a token cannot have, or is empty")
    return token


def _watch(reporter: Reporter) -> None:
    _hook()
    _reporters.add(reporter)


@cache
def _hook() -> None:
    os.register_at_fork(
        before=lambda: _all(Reporter._before_fork),  # noqa: SLF001 - the hooks are this module's
        after_in_parent=lambda: _all(Reporter._after_fork),  # noqa: SLF001
        after_in_child=lambda: _all(Reporter._after_fork_in_child),  # noqa: SLF001
    )
    atexit.register(_all, Reporter.close)


def _all(act: Callable[[Reporter], object]) -> None:
    for reporter in list(_reporters):
        with suppress(Exception):
            act(reporter)

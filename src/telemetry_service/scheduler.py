"""When to wake. There is no logic here: the database decides what is due, and which process owns it.

APScheduler runs the jobs; a loop on the monotonic clock decides when. APScheduler itself waits by the wall clock: if
that is set back by a year, it waits for a year; set forward by five, it lists every missed run, which takes minutes and
gigabytes. So each run is a separate one-shot job, dated in the past by any clock: there is nothing to wait for, and
nothing can have been missed.
"""

import os
import selectors
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Thread
from typing import Any

from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.date import DateTrigger

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event, log_exception

WAKE_EVERY_SECONDS = 5
"""A waking that finds nothing due costs two indexed reads."""

PURGE_CHECK_SECONDS = 300

_DUE_UNDER_EVERY_CLOCK = datetime(1, 1, 1, tzinfo=UTC)


class Job:
    """Something that runs regularly, never twice at a time. Its errors end nothing else."""

    def __init__(self, name: str, run: Callable[[], object], every_seconds: float) -> None:
        """Make the first run due at once."""
        self.name = name
        self._do = run
        self._every = every_seconds
        self._next_at = time.monotonic()
        self._running = False

    def due_in(self) -> float:
        """Return in how many seconds it is due; 0 or less if it is due now."""
        return self._next_at - time.monotonic()

    def take(self) -> bool:
        """Take a run and plan the next; False if the last one is still running, so that this one is skipped."""
        self._next_at = time.monotonic() + self._every
        free, self._running = not self._running, True
        return free

    def give_back(self) -> None:
        """Give back a run that could not start."""
        self._running = False

    def run(self) -> None:
        """Run, and log an error without its text, which could contain a secret; the next run tries again."""
        try:
            self._do()
        except TelemetryError as error:
            log_event(Event.JOB_FAILED, job=self.name, code=error.code)
        except Exception as error:  # noqa: BLE001 - the scheduler must survive whatever a job meets
            log_exception(error, self.name)
        finally:
            self._running = False


class Scheduler:
    """Runs the jobs of one process, each in its own thread, so that a long one does not block the others."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Prepare; call ``start`` to run it."""
        self._waking = _Waking(jobs)

    def start(self) -> None:
        """Start; each job runs at once for the first time."""
        self._waking.start()

    def stop(self) -> None:
        """Stop after the running jobs have finished."""
        if self._waking.running:
            self._waking.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether the thread of the main loop is alive."""
        return self._waking.alive


class _Waking(BaseScheduler):  # type: ignore[misc]  # the library has no types
    """APScheduler with a main loop that does not use the wall clock."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        executor = {"type": "threadpool", "max_workers": len(jobs)}
        # A job is never too late to run. Two instances, because APScheduler counts one until slightly after its end; a
        # Job itself prevents running twice at a time.
        defaults = {"misfire_grace_time": None, "max_instances": 2}
        super().__init__(timezone=UTC, executors={"default": executor}, job_defaults=defaults)
        self._submitted: set[str] = set()
        self.add_listener(lambda event: self._submitted.add(event.job_id), EVENT_JOB_SUBMITTED)
        self._jobs = jobs
        self._nap: _Nap | None = None
        self._thread = Thread(target=self._main_loop, name="waking", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        super().start(*args, **kwargs)
        self._nap = _Nap()
        self._thread.start()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's signature
        if self._nap is not None:
            self._nap.end()
            self._thread.join()
            self._nap.close()
        super().shutdown(wait=wait)

    def wakeup(self) -> None:
        """Do nothing: only the main loop adds jobs, and it needs no waking."""

    def _main_loop(self) -> None:
        seconds = 0.0
        while self._nap is not None and self._nap.take(seconds):
            try:
                seconds = self._turn()
            except Exception as error:  # noqa: BLE001 - memory or threads may be short for a moment
                log_exception(error, "scheduler")
                seconds = WAKE_EVERY_SECONDS

    def _turn(self) -> float:
        """Submit the due jobs; return in how many seconds the next is due."""
        taken = [job for job in self._jobs if job.due_in() <= 0 and job.take()]
        for job in taken:
            self.add_job(
                job.run, DateTrigger(_DUE_UNDER_EVERY_CLOCK), id=job.name, name=job.name, replace_existing=True
            )
        self._submitted.clear()
        self._process_jobs()
        for job in taken:
            if job.name not in self._submitted:  # There was no free thread for it.
                job.give_back()
        return max(0.0, min(job.due_in() for job in self._jobs))


class _Nap:
    """A wait on the monotonic clock that can be ended early.

    The timeout of a lock uses the wall clock if the C library has nothing better: with musl, and in builds of Python
    for old systems.
    """

    def __init__(self) -> None:
        self._woken, self._wake = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)

    def take(self, seconds: float) -> bool:
        """Wait; False once it was ended."""
        return not self._selector.select(seconds)

    def end(self) -> None:
        """End the present wait and every later one."""
        os.write(self._wake, b".")

    def close(self) -> None:
        """Close its files."""
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)

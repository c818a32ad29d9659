"""When to wake. There is no logic here: the database decides what is due, and who owns it.

APScheduler runs the jobs; when they run, a loop on the monotonic clock says. APScheduler's own waiting goes by the wall
clock: set back by a year it would wait for a year, set forward by five it would list every run that it missed in
between, which takes minutes and gigabytes. So each run is a one-shot job of its own, with a date that lies in the past
under every clock: there is nothing to wait for and nothing that could have been missed.
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
    """Something that is done again and again, never twice at a time. What goes wrong in it ends nothing."""

    def __init__(self, name: str, run: Callable[[], object], every_seconds: float) -> None:
        """Make it due at once for the first time."""
        self.name = name
        self._do = run
        self._every = every_seconds
        self._next_at = time.monotonic()
        self._running = False

    def due_in(self) -> float:
        """Return in how many seconds it is due, 0 or less where it is."""
        return self._next_at - time.monotonic()

    def take(self) -> bool:
        """Take a run and plan the next; False where the last one has not come to its end: this one is left out."""
        self._next_at = time.monotonic() + self._every
        free, self._running = not self._running, True
        return free

    def give_back(self) -> None:
        """Note that a run which was taken does not come about."""
        self._running = False

    def run(self) -> None:
        """Do it, and log what goes wrong without its text, which could hold a secret; the next run tries again."""
        try:
            self._do()
        except TelemetryError as error:
            log_event(Event.JOB_FAILED, job=self.name, code=error.code)
        except Exception as error:  # noqa: BLE001 - the scheduler must survive whatever a job meets
            log_exception(error, self.name)
        finally:
            self._running = False


class Scheduler:
    """Runs the jobs of one process, each in a thread of its own, so that a long one keeps no other from running."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Prepare; ``start`` makes it run."""
        self._waking = _Waking(jobs)

    def start(self) -> None:
        """Start; each job runs at once for the first time."""
        self._waking.start()

    def stop(self) -> None:
        """Stop, after the jobs that are running have come to their end."""
        if self._waking.running:
            self._waking.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether the thread lives that says when."""
        return self._waking.alive


class _Waking(BaseScheduler):  # type: ignore[misc]  # the library has no types
    """APScheduler, with a main loop that asks no wall clock."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        executor = {"type": "threadpool", "max_workers": len(jobs)}
        # However late a job runs, it is not too late. Two instances, for APScheduler counts one until a little after
        # its end; a Job sees by itself to it that it does not run twice at a time.
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
        """Do nothing: only the main loop adds jobs, and it looks after them itself."""

    def _main_loop(self) -> None:
        seconds = 0.0
        while self._nap is not None and self._nap.take(seconds):
            try:
                seconds = self._turn()
            except Exception as error:  # noqa: BLE001 - memory or threads may be short for a moment
                log_exception(error, "scheduler")
                seconds = WAKE_EVERY_SECONDS

    def _turn(self) -> float:
        """Hand over what is due; return in how many seconds the next is."""
        taken = [job for job in self._jobs if job.due_in() <= 0 and job.take()]
        for job in taken:
            self.add_job(
                job.run, DateTrigger(_DUE_UNDER_EVERY_CLOCK), id=job.name, name=job.name, replace_existing=True
            )
        self._submitted.clear()
        self._process_jobs()
        for job in taken:
            if job.name not in self._submitted:  # No thread was to be had for it.
                job.give_back()
        return max(0.0, min(job.due_in() for job in self._jobs))


class _Nap:
    """A wait that ends early when it is told to, by the monotonic clock.

    A lock's timeout goes by the wall clock where the C library has no better one: with musl, and in builds of Python
    that are made for old systems.
    """

    def __init__(self) -> None:
        self._woken, self._wake = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)

    def take(self, seconds: float) -> bool:
        """Wait; False as soon as there is to be no more waiting."""
        return not self._selector.select(seconds)

    def end(self) -> None:
        """End the wait that is being taken, and every later one."""
        os.write(self._wake, b".")

    def close(self) -> None:
        """Give its files back."""
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)

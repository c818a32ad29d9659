"""The scheduler: whatever a job does, every job goes on being run, and a thread that has ended is noticed."""

import logging
import threading
import time

import pytest

from telemetry_service.domain.errors import StorageBusyError
from telemetry_service.scheduler import Job, Scheduler

_PATIENCE_SECONDS = 60


class Counted:
    """The work of a job: it counts its runs, and does what the test sets."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error
        self._done = threading.Semaphore(0)

    def __call__(self) -> None:
        self._done.release()
        if self._error is not None:
            raise self._error

    def await_runs(self, number: int) -> None:
        for _ in range(number):
            assert self._done.acquire(timeout=_PATIENCE_SECONDS), "it is not run any more"


@pytest.mark.parametrize("error", [StorageBusyError(), ValueError("secret"), MemoryError(), SystemExit(1)])
def test_a_job_that_raises_is_run_again_and_its_text_is_not_logged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    failing, well = Counted(error), Counted()
    scheduler = Scheduler([Job("failing", failing, 0.01), Job("well", well, 0.01)])
    with caplog.at_level(logging.WARNING):
        scheduler.start()
        failing.await_runs(3)
        well.await_runs(3)
        assert scheduler.alive
        scheduler.stop()
    assert "secret" not in caplog.text


def test_a_long_job_is_run_once_at_a_time_holds_no_other_up_and_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    begun, ends, running = threading.Event(), threading.Event(), []
    quick = Counted()

    def long() -> None:
        running.append(1)
        begun.set()
        ends.wait(_PATIENCE_SECONDS)

    scheduler = Scheduler([Job("long", long, 0.01), Job("quick", quick, 0.01)])
    with caplog.at_level(logging.WARNING):
        scheduler.start()
        assert begun.wait(_PATIENCE_SECONDS)
        quick.await_runs(20)
        assert len(running) == 1
        ends.set()
        scheduler.stop()
    assert caplog.records == []


def test_a_stop_waits_for_what_is_being_done_and_nothing_is_begun_after_it() -> None:
    begun, ended = threading.Event(), []

    def work() -> None:
        begun.set()
        time.sleep(0.2)
        ended.append(1)

    scheduler = Scheduler([Job("work", work, 0.01)])
    scheduler.start()
    assert begun.wait(_PATIENCE_SECONDS)
    scheduler.stop()
    done = len(ended)
    assert done > 0
    time.sleep(0.1)
    assert len(ended) == done
    assert not scheduler.alive


def test_a_scheduler_that_was_never_started_is_not_alive_and_can_be_stopped() -> None:
    scheduler = Scheduler([Job("nothing", Counted(), 1)])
    assert not scheduler.alive
    scheduler.stop()

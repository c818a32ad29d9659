"""When to wake. There is no logic here: the database decides what is due, and who owns it."""

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event, log_exception

WAKE_EVERY_SECONDS = 5
"""A waking that finds nothing due costs two indexed reads."""

PURGE_CHECK_SECONDS = 600


class Scheduler:
    """Runs the jobs of one process, each at most once at a time."""

    def __init__(self, wake: Callable[[], object], purge: Callable[[], object]) -> None:
        """Prepare; :meth:`start` makes it run."""
        # A late waking is as good as one in time, however late it is: the default would drop it after a second.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
        self._add("wake", wake, WAKE_EVERY_SECONDS)
        self._add("purge", purge, PURGE_CHECK_SECONDS)

    def start(self) -> None:
        """Start; each job runs at once for the first time."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop, after the jobs that are running have come to their end."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    @property
    def running(self) -> bool:
        """Whether jobs are being run."""
        return bool(self._scheduler.running)

    def _add(self, name: str, job: Callable[[], object], seconds: int) -> None:
        first = datetime.now(UTC)  # noqa: TID251 - APScheduler's own clock, by which it decides when that is
        self._scheduler.add_job(_guarded(name, job), "interval", seconds=seconds, id=name, next_run_time=first)


def _guarded(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """Log what goes wrong without its text, which could hold a secret; the next waking tries again."""

    def run() -> None:
        try:
            job()
        except TelemetryError as error:
            log_event(Event.JOB_FAILED, job=name, code=error.code)
        except Exception as error:  # noqa: BLE001 - the scheduler must survive whatever a job meets
            log_exception(error, name)

    return run

"""The daily purge: deletes what is older than the retention, in small transactions.

What a wrong clock has dated is dated anew before that.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from time import monotonic, perf_counter

from telemetry_service.domain.activity import Action
from telemetry_service.domain.clock import is_plausible, rfc3339
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.installation import Installation, Milestone
from telemetry_service.pipeline.pace import Pace
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.expiry import Sweep
from telemetry_service.storage.redating import Redating

_EVERY = timedelta(days=1)
_OVERDUE = timedelta(days=2)
"""A purge that is later than this is put off by a day, once: the service was down, or its clock is far ahead. A clock
that is set right within that day has deleted nothing."""

_LEASE = timedelta(minutes=10)
"""How long a purge is left to whoever has begun it, unless he renews it. One that met an error, or died, is taken up
again after this."""

STEP_ROWS = (1_000, 5_000)
"""Rows in one transaction, at least and at most. Fewer than the least would save little: the commit itself lasts as
long as writing or deleting a thousand rows."""

_STEP_PAGES = (100, 1_000)
"""Pages given back to the file system in one transaction, at least and at most (SQLite)."""

_SHORTEST_PAUSE_SECONDS = 0.005


def purge_if_due(installation: Installation) -> int | None:
    """Purge where the day's purge is due and no other replica has taken it; None where not, or where it is put off."""
    now = installation.clock.now()
    with installation.database.read() as tx:
        plan = tx.schedule.next_purge()
    # Further ahead than any that is planned: by a clock that was wrong.
    due = plan.due <= now or plan.due - now > _EVERY
    if not due or not is_plausible(now):
        return None
    put_off = now - plan.due > _OVERDUE and not plan.put_off
    lease = _Lease(plan.due)
    if not lease.move(installation, _EVERY if put_off else _LEASE):
        return None
    if put_off:
        log_event(Event.PURGE_PUT_OFF, due=rfc3339(plan.due))
        return None
    deleted = purge(installation, lease)
    if not installation.stopping.is_set():
        lease.end(installation)
    return deleted


class _Lease:
    """The next purge's moment in the database, moved on by whoever purges: nobody else begins until then."""

    def __init__(self, due: datetime) -> None:
        self._until = due
        self._moved_at = monotonic()

    def move(self, installation: Installation, by: timedelta, *, put_off: bool = True) -> bool:
        """Move it to ``by`` from now; False where somebody else has it."""
        until = installation.clock.now() + by
        with installation.database.write() as tx:
            moved = tx.schedule.move_purge(self._until, until, put_off=put_off)
        self._until, self._moved_at = until, monotonic()
        return moved

    def renew(self, installation: Installation) -> None:
        """Move it where half of it is over, by a clock that nobody sets."""
        if monotonic() - self._moved_at > _LEASE.total_seconds() / 2:
            self.move(installation, _LEASE)

    def end(self, installation: Installation) -> None:
        """Let the next purge be due in a day."""
        self.move(installation, _EVERY, put_off=False)


def purge(installation: Installation, lease: _Lease | None = None) -> int:
    """Delete what is older than the retention; return how many rows that were."""
    now, began = installation.clock.now(), perf_counter()
    with installation.database.read() as tx:
        retention = tx.configuration.get().values.retention_days
        redating = Redating(now, ahead=tx.contacts.accepted_by(now))
    _redate(installation, redating, lease)
    deleted = _delete(installation, now - timedelta(days=retention), lease)
    with installation.database.write() as tx:
        tx.access.purge_sessions(now)
        tx.activity.purge(now)
        if deleted:
            tx.activity.note(now, "schedule", Action.PURGED, rows=str(deleted))
    _give_space_back(installation)
    duration_ms = int((perf_counter() - began) * 1000)
    log_event(Event.PURGE_RAN, rows=deleted, retention_days=retention, duration_ms=duration_ms)
    return deleted


def _redate(installation: Installation, redating: Redating, lease: _Lease | None) -> None:
    for _ in _steps(installation, Pace(*STEP_ROWS), lambda tx, rows: tx.retention.redate(redating, rows)):
        if lease is not None:
            lease.renew(installation)
        installation.reached(Milestone.PURGE_STEP)


def _delete(installation: Installation, cutoff: datetime, lease: _Lease | None) -> int:
    sweep, deleted = Sweep(cutoff), 0

    def step(tx: Transaction, rows: int) -> int:
        return tx.retention.step(sweep, rows)

    for rows in _steps(installation, Pace(*STEP_ROWS), step):
        deleted += rows
        if lease is not None:
            lease.renew(installation)
        installation.reached(Milestone.PURGE_STEP)
    return deleted


def _give_space_back(installation: Installation) -> None:
    for _ in _steps(installation, Pace(*_STEP_PAGES), lambda tx, pages: tx.retention.give_space_back(pages)):
        pass


def _steps(installation: Installation, pace: Pace, step: Callable[[Transaction, int], int]) -> Iterator[int]:
    """Take a step at a time, in a transaction of its own, until one finds nothing to do or the process is to stop.

    Between two of them recording has the database for itself for as long as the step had it.
    """
    while not installation.stopping.is_set():
        with installation.database.write() as tx:
            began = perf_counter()
            done = step(tx, pace.amount)
        lasted = perf_counter() - began
        if not done:
            return
        yield done
        pace.lasted(lasted)
        installation.stopping.wait(max(_SHORTEST_PAUSE_SECONDS, lasted))

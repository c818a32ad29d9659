"""The daily purge: deletes what is older than the retention, in small transactions.

Rows dated by a wrong clock are dated again first.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from time import monotonic, perf_counter

from telemetry_service.domain.actor import SCHEDULE
from telemetry_service.domain.clock import is_plausible, rfc3339
from telemetry_service.domain.errors import NotVerifiedYetError, PurgeNotKeptError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.batch_size import BatchSize
from telemetry_service.pipeline.changed_rows import changed_in
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.prune_ledger import prune_ledger
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.expiry import Sweep
from telemetry_service.storage.redating import Redating

_EVERY = timedelta(days=1)
_OVERDUE = timedelta(days=2)
"""A purge later than this is put off by a day, once: the service was down, or its clock is far ahead. If the clock is
corrected within that day, nothing was deleted."""

_LEASE = timedelta(minutes=10)
"""How long a purge belongs to the process that began it, unless renewed. After an error or a crash, it is taken over
after this time."""

STEP_ROWS = (1_000, 5_000)
"""Rows in one transaction, minimum and maximum. Fewer would save little: the commit itself takes as long as writing or
deleting a thousand rows."""

_STEP_PAGES = (100, 1_000)
"""Pages returned to the file system in one transaction, minimum and maximum (SQLite)."""

SALTED_VALUES_KEPT = timedelta(days=365)
"""How long the persons, addresses, customers and codes are kept that entries of the ledger have as salted digests."""

_MOST_COUNTED = 100_000
"""Counting more would take too long; the entry about the purge then has this number."""

_SHORTEST_PAUSE_SECONDS = 0.005


def purge_if_due(runtime: Runtime) -> int | None:
    """Run the daily purge if it is due and no other replica has taken it; None if not, or if it was put off."""
    now = runtime.clock.now()
    with runtime.database.read() as tx:
        plan = tx.schedule.next_purge()
    # Further ahead than is ever planned: a wrong clock did it.
    due = plan.due <= now or plan.due - now > _EVERY
    if not due or not is_plausible(now):
        return None
    put_off = now - plan.due > _OVERDUE and not plan.put_off
    lease = _Lease(plan.due)
    if not lease.move(runtime, _EVERY if put_off else _LEASE):
        return None
    if put_off:
        log_event(Event.PURGE_PUT_OFF, due=rfc3339(plan.due))
        return None
    try:
        deleted = purge(runtime, lease)
    except NotVerifiedYetError:
        return None  # The ledger is verified before the lease has ended.
    if not runtime.stopping.is_set():
        lease.end(runtime)
    return deleted


class _Lease:
    """The time of the next purge, moved forward by the process that purges: no other begins until then."""

    def __init__(self, due: datetime) -> None:
        self._until = due
        self._moved_at = monotonic()

    def move(self, runtime: Runtime, by: timedelta, *, put_off: bool = True) -> bool:
        """Move it to ``by`` from now; False if another process has it."""
        until = runtime.clock.now() + by
        with runtime.database.write() as tx:
            moved = tx.schedule.move_purge(self._until, until, put_off=put_off)
        self._until, self._moved_at = until, monotonic()
        return moved

    def renew(self, runtime: Runtime) -> None:
        """Extend it once half of it is over, by the monotonic clock."""
        if monotonic() - self._moved_at > _LEASE.total_seconds() / 2:
            self.move(runtime, _LEASE)

    def end(self, runtime: Runtime) -> None:
        """Plan the next purge in a day."""
        self.move(runtime, _EVERY, put_off=False)


def purge(runtime: Runtime, lease: _Lease | None = None) -> int:
    """Delete what is older than the retention; return how many rows that were.

    Raises:
        NotVerifiedYetError: the ledger has to be verified first; nothing was deleted.
        PurgeNotKeptError: the database did not delete all of it.
    """
    now, began = runtime.clock.now(), perf_counter()
    with runtime.database.read() as tx:
        if changed_in(runtime, tx):
            return 0  # No one knows how long to keep anything. The next purge is in a day.
        retention = tx.configuration.get().values.retention_days
        redating = Redating(now, ahead=tx.exchanges.accepted_by(now))
    _redate(runtime, redating, lease)
    cutoff = now - timedelta(days=retention)
    with runtime.database.read() as tx:
        said: dict[str, Value] = {
            "rows": tx.retention.count(cutoff, _MOST_COUNTED),
            "accepted_before": rfc3339(cutoff),
        }
    deleted = delete_before(runtime, cutoff, lease, lambda tx: tx.ledger.note(now, SCHEDULE, Kind.PURGED, said))
    with runtime.database.write() as tx:
        tx.identity.purge_sessions(now)
    _erase_salted(runtime, now - SALTED_VALUES_KEPT, lease)
    prune_ledger(runtime, now)
    free_space(runtime)
    duration_ms = int((perf_counter() - began) * 1000)
    log_event(Event.PURGE_RAN, rows=deleted, retention_days=retention, duration_ms=duration_ms)
    _check_deleted(runtime, cutoff)
    return deleted


def _check_deleted(runtime: Runtime, cutoff: datetime) -> None:
    """Look whether anything is left that was to be deleted: a trigger may have kept it."""
    if runtime.stopping.is_set():
        return
    with runtime.database.read() as tx:
        if tx.retention.count(cutoff, 1):
            raise PurgeNotKeptError


def _redate(runtime: Runtime, redating: Redating, lease: _Lease | None) -> None:
    for _ in _steps(runtime, BatchSize(*STEP_ROWS), lambda tx, rows: tx.retention.redate(redating, rows)):
        if lease is not None:
            lease.renew(runtime)
        runtime.failpoint(Failpoint.PURGE_STEP)


def delete_before(
    runtime: Runtime,
    cutoff: datetime,
    lease: _Lease | None = None,
    note: Callable[[Transaction], None] = lambda _tx: None,
) -> int:
    """Delete what was finished before ``cutoff``; return how many rows.

    ``note`` is called in the transaction that deletes the first of them. So anyone who finds rows gone also finds the
    entry that explains it, even during a purge or after a crash.
    """
    sweep, deleted, noted = Sweep(cutoff), 0, False

    def step(tx: Transaction, rows: int) -> int:
        nonlocal noted
        done = tx.retention.step(sweep, rows)
        if done and not noted:
            note(tx)
            noted = True
        return done

    for rows in _steps(runtime, BatchSize(*STEP_ROWS), step):
        deleted += rows
        if lease is not None:
            lease.renew(runtime)
        runtime.failpoint(Failpoint.PURGE_STEP)
    return deleted


def _erase_salted(runtime: Runtime, cutoff: datetime, lease: _Lease | None) -> None:
    """Erase who, from where and which customer older entries name; the entries stay, and so do their digests."""
    for _ in _steps(runtime, BatchSize(*STEP_ROWS), lambda tx, rows: tx.ledger_retention.erase_salted(cutoff, rows)):
        if lease is not None:
            lease.renew(runtime)


def free_space(runtime: Runtime) -> None:
    """Let SQLite return what was freed to the file system."""
    for _ in _steps(runtime, BatchSize(*_STEP_PAGES), lambda tx, pages: tx.retention.free_space(pages)):
        pass


def _steps(runtime: Runtime, batch_size: BatchSize, step: Callable[[Transaction, int], int]) -> Iterator[int]:
    """Run steps, each in its own transaction, until there is nothing left to do or the process is to stop.

    Between two steps, recording has the database to itself for as long as the step took.
    """
    while not runtime.stopping.is_set():
        with runtime.database.write() as tx:
            began = perf_counter()
            done = step(tx, batch_size.amount)
        lasted = perf_counter() - began
        if not done:
            return
        yield done
        batch_size.lasted(lasted)
        runtime.stopping.wait(max(_SHORTEST_PAUSE_SECONDS, lasted))

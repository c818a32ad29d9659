"""Records usage: one commit for many concurrent callers, acknowledged only when it is on disk.

Callers submit their reports and wait. One thread takes all that has arrived since the last commit and writes it in one
transaction, so that the calls share the cost of a durable commit. Every report of a group is added to the period that
is open in that transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import date
from queue import Empty, Full, Queue
from threading import Lock, Thread

from telemetry_service.domain.admission import Admission, GroupCount
from telemetry_service.domain.errors import StorageBusyError, TelemetryError, UsageRefusedError
from telemetry_service.domain.facts import MAX_REPORTS, RecordingResult, UsageReport
from telemetry_service.domain.notice import Notice
from telemetry_service.domain.periods import Period
from telemetry_service.log.write import log_exception
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.add_counts import NoRoomError, add_counts
from telemetry_service.storage.database import Transaction

GROUP_REPORTS = 2 * MAX_REPORTS
"""Reports in one transaction: more would only make each caller wait longer."""

WAITING_CALLS = 1_000
"""Calls that may wait. Beyond that the service is busy, so that its memory stays limited."""


@dataclass(frozen=True, slots=True)
class _Call:
    reports: Sequence[UsageReport]
    future: Future[RecordingResult]
    request: Context = field(default_factory=copy_context)
    """The log context of its request, although another thread writes it."""


class Recorder:
    """Owns the one thread that writes usage."""

    def __init__(self, runtime: Runtime) -> None:
        """Prepare; call ``start`` to run it."""
        self._runtime = runtime
        self._calls: Queue[_Call | None] = Queue(WAITING_CALLS)
        self._thread = Thread(target=self._run, name="recorder", daemon=True)
        self._stopping = False
        # No stop may come between checking the flag and queueing: the call would never get a result.
        self._queue_lock = Lock()

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was submitted, then stop. Later calls are refused as busy."""
        with self._queue_lock:
            self._stopping = True
            self._calls.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether its thread is alive."""
        return self._thread.is_alive()

    def submit(self, reports: Sequence[UsageReport]) -> Future[RecordingResult]:
        """Submit the reports of one call. The future completes when they are on disk, or with one of our errors.

        Raises:
            StorageBusyError: too many calls are waiting, or the recorder is stopping.
        """
        call = _Call(reports, Future())
        with self._queue_lock:
            if self._stopping:
                raise StorageBusyError
            try:
                self._calls.put_nowait(call)
            except Full:
                raise StorageBusyError from None
        return call.future

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            # A caller that disconnected has canceled its call; from here on it no longer can.
            waiting = [call for call in group if call.future.set_running_or_notify_cancel()]
            if waiting:
                self._write(waiting)

    def _next_group(self) -> list[_Call] | None:
        """Wait for a call and take all others that are queued; None once everything is written after a stop."""
        first = self._calls.get()
        if first is None:
            return None
        group, size = [first], len(first.reports)
        while size < GROUP_REPORTS:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                self._calls.put(None)  # For the next round: this group is written first.
                break
            group.append(call)
            size += len(call.reports)
        return group

    def _write(self, group: list[_Call]) -> None:
        try:
            results = record(self._runtime, [call.reports for call in group])
        except TelemetryError as error:
            for call in group:
                call.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, one call's bug must not fail the others
            self._write_one_by_one(group, error)
        else:
            for call, result in zip(group, results, strict=True):
                _resolve(call, result)

    def _write_one_by_one(self, group: list[_Call], error: Exception) -> None:
        if len(group) == 1:
            group[0].request.run(log_exception, error, "recorder")
            group[0].future.set_exception(error)
            return
        for call in group:
            self._write([call])


def _resolve(call: _Call, result: RecordingResult | UsageRefusedError) -> None:
    if isinstance(result, UsageRefusedError):
        call.future.set_exception(result)
    else:
        call.future.set_result(result)


def record(runtime: Runtime, calls: Sequence[Sequence[UsageReport]]) -> list[RecordingResult | UsageRefusedError]:
    """Add the reports of ``calls`` to the open period in one transaction, each report_id only once, ever.

    A call that does not fit is refused as a whole, and the others are recorded.
    """
    try:
        return list(_record_all(runtime, calls))
    except NoRoomError:
        # Nothing was written. Decide again which calls fit, with all other writers locked out.
        return _record_what_fits(runtime, calls)


def _record_all(runtime: Runtime, calls: Sequence[Sequence[UsageReport]]) -> list[RecordingResult]:
    today = runtime.clock.now().date()
    group = GroupCount.of(calls)
    with runtime.database.write() as tx:
        period = tx.periods.share_open()
        known = tx.usage.claim(group.checksums, _no_earlier(today, period))
        notice = _notice(tx, period, calls, group.checksums, known)
        counted = GroupCount.of(calls, known) if known else group
        add_counts(runtime, tx, period.period_id, today, counted.counters)
        runtime.failpoint(Failpoint.USAGE_WRITTEN)
    runtime.failpoint(Failpoint.USAGE_COMMITTED)
    return [
        notice.added_to(RecordingResult(accepted, len(reports) - accepted), reports)
        for accepted, reports in zip(counted.accepted, calls, strict=True)
    ]


def _record_what_fits(
    runtime: Runtime, calls: Sequence[Sequence[UsageReport]]
) -> list[RecordingResult | UsageRefusedError]:
    today = runtime.clock.now().date()
    checksums = GroupCount.of(calls).checksums
    with runtime.database.write() as tx:
        period = tx.periods.lock_open()
        period_id = period.period_id
        known = tx.usage.claim(checksums, _no_earlier(today, period))
        notice = _notice(tx, period, calls, checksums, known)
        bouncers = tx.usage_bounds.known(period_id, sorted(_bouncers(calls)))
        sums = tx.usage_bounds.sums(period_id)
        admission = Admission(sums, bouncers, known, runtime.deployment.max_bouncers)
        results = [_noted(admission.take(reports), reports, notice) for reports in calls]
        tx.usage.give_back(checksums.keys() - known - admission.counted)
        add_counts(runtime, tx, period_id, today, admission.counters)
        runtime.failpoint(Failpoint.USAGE_WRITTEN)
    runtime.failpoint(Failpoint.USAGE_COMMITTED)
    return results


def _notice(
    tx: Transaction,
    period: Period,
    calls: Sequence[Sequence[UsageReport]],
    checksums: Mapping[int, int],
    known: Collection[int],
) -> Notice:
    """Return what the responses say in addition: read in the transaction that counts the reports."""
    environments = tx.bouncers.environments(_bouncers(calls))
    return Notice(period.reportable, environments, {**checksums, **tx.usage.checksums(known)} if known else checksums)


def _no_earlier(today: date, period: Period) -> date:
    """Return the date for the IDs: a clock that is behind must not make them older than their period."""
    return max(today, period.opened_at.date())


def _bouncers(calls: Sequence[Sequence[UsageReport]]) -> set[str]:
    return {report["bouncer_id"] for reports in calls for report in reports}


def _noted(
    result: RecordingResult | UsageRefusedError, reports: Sequence[UsageReport], notice: Notice
) -> RecordingResult | UsageRefusedError:
    return result if isinstance(result, UsageRefusedError) else notice.added_to(result, reports)

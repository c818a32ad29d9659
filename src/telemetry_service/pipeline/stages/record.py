"""Records usage: one commit for many concurrent callers, acknowledged only when it is on disk.

Callers hand in their reports and wait. One thread takes all that has come in since the last commit
and writes it in one transaction, so that the cost of a durable commit is shared. Every report of a
group is added to the period that is open in that very transaction.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import date
from queue import Empty, Full, Queue
from threading import Lock, Thread

from telemetry_service.domain.admission import Admission, Counters, count_in, sums_of, traffic_of
from telemetry_service.domain.errors import StorageBusyError, TelemetryError, UsageRefusedError
from telemetry_service.domain.facts import MAX_REPORTS, RecordingResult, UsageReport
from telemetry_service.domain.periods import Period
from telemetry_service.log.write import log_exception
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.usage import CounterDelta, CounterKey

GROUP_REPORTS = 2 * MAX_REPORTS
"""Reports in one transaction: more would only make each caller wait longer."""

WAITING_CALLS = 1_000
"""Calls that may wait; beyond that the service says that it is busy rather than take memory without end."""


@dataclass(frozen=True, slots=True)
class _Call:
    reports: Sequence[UsageReport]
    answer: Future[RecordingResult]
    request: Context = field(default_factory=copy_context)
    """What is logged of it belongs to the request that it came with, although another thread writes it."""


class Recorder:
    """Owns the one thread that writes usage."""

    def __init__(self, runtime: Runtime) -> None:
        """Prepare; ``start`` makes it run."""
        self._runtime = runtime
        self._calls: Queue[_Call | None] = Queue(WAITING_CALLS)
        self._thread = Thread(target=self._run, name="recorder", daemon=True)
        self._stopping = False
        # Between a look at the flag and the hand-over no stop may come: no one would answer that call.
        self._gate = Lock()

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was handed in before, then stop. Later calls are refused as busy."""
        with self._gate:
            self._stopping = True
            self._calls.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether its thread lives."""
        return self._thread.is_alive()

    def submit(self, reports: Sequence[UsageReport]) -> Future[RecordingResult]:
        """Hand in the reports of one call; the future ends when they are on disk, or with an error of ours."""
        call = _Call(reports, Future())
        with self._gate:
            if self._stopping:
                raise StorageBusyError
            try:
                self._calls.put_nowait(call)
            except Full:
                raise StorageBusyError from None
        return call.answer

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            # A caller who went away in the meantime has canceled its call; from here on it cannot any more.
            waiting = [call for call in group if call.answer.set_running_or_notify_cancel()]
            if waiting:
                self._write(waiting)

    def _next_group(self) -> list[_Call] | None:
        """Wait for a call and take with it what else is there; None once all is written after a stop."""
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
                call.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, one call's fault must not fail the others
            self._write_one_by_one(group, error)
        else:
            for call, result in zip(group, results, strict=True):
                _answer(call, result)

    def _write_one_by_one(self, group: list[_Call], error: Exception) -> None:
        if len(group) == 1:
            group[0].request.run(log_exception, error, "recorder")
            group[0].answer.set_exception(error)
            return
        for call in group:
            self._write([call])


def _answer(call: _Call, result: RecordingResult | UsageRefusedError) -> None:
    if isinstance(result, UsageRefusedError):
        call.answer.set_exception(result)
    else:
        call.answer.set_result(result)


def record(runtime: Runtime, calls: Sequence[Sequence[UsageReport]]) -> list[RecordingResult | UsageRefusedError]:
    """Add the reports of ``calls`` to the open period in one transaction, each report_id once permanently.

    A call that the period has no room for is refused as a whole, and the others are recorded.
    """
    try:
        return list(_record_all(runtime, calls))
    except _NoRoomError:
        # Nothing of it is written. Which calls there is room for is found out again, with everyone else held back.
        return _record_what_fits(runtime, calls)


class _NoRoomError(Exception):
    """The open period has no room for all of a group."""


def _record_all(runtime: Runtime, calls: Sequence[Sequence[UsageReport]]) -> list[RecordingResult]:
    today = runtime.clock.now().date()
    with runtime.database.write() as tx:
        period = tx.periods.share_open()
        known = tx.usage.claim(_ids(calls), _no_earlier(today, period))
        results, counters = _count(calls, known)
        _write(runtime, tx, period.period_id, today, counters)
        runtime.failpoint(Failpoint.USAGE_WRITTEN)
    runtime.failpoint(Failpoint.USAGE_COMMITTED)
    return results


def _record_what_fits(
    runtime: Runtime, calls: Sequence[Sequence[UsageReport]]
) -> list[RecordingResult | UsageRefusedError]:
    today = runtime.clock.now().date()
    with runtime.database.write() as tx:
        period = tx.periods.lock_open()
        period_id = period.period_id
        ids = _ids(calls)
        known = tx.usage.claim(ids, _no_earlier(today, period))
        bouncers = tx.usage_bounds.known(period_id, sorted({r["bouncer_id"] for reports in calls for r in reports}))
        sums = tx.usage_bounds.sums(period_id)
        admission = Admission(sums, bouncers, known, runtime.deployment.max_bouncers)
        results = [admission.take(reports) for reports in calls]
        tx.usage.give_back(ids - known - admission.counted)
        _write(runtime, tx, period_id, today, admission.counters)
        runtime.failpoint(Failpoint.USAGE_WRITTEN)
    runtime.failpoint(Failpoint.USAGE_COMMITTED)
    return results


def _no_earlier(today: date, period: Period) -> date:
    """Return the day to date IDs by: a clock that is behind must not make them older than the period they are of."""
    return max(today, period.opened_at.date())


def _ids(calls: Sequence[Sequence[UsageReport]]) -> set[int]:
    return {report["report_id"].int for reports in calls for report in reports}


def _count(calls: Sequence[Sequence[UsageReport]], known: set[int]) -> tuple[list[RecordingResult], Counters]:
    """Return one sum for each distinct counter. An ID is known from the first report that bears it."""
    counters: Counters = {}
    results = []
    for reports in calls:
        accepted = 0
        for report in reports:
            report_id = report["report_id"].int
            if report_id in known:
                continue
            known.add(report_id)
            accepted += 1
            count_in(counters, report)
        results.append(RecordingResult(accepted=accepted, duplicates=len(reports) - accepted))
    return results, counters


def _write(runtime: Runtime, tx: Transaction, period_id: int, today: date, counters: Counters) -> None:
    """Write the counters and what they add to the sums.

    Every replica writes in one order, the row that all of them share last: so no one waits in a circle, or for long.

    Raises:
        _NoRoomError: the open period has no room for all of a group; nothing is committed.
    """
    bounds, most = tx.usage_bounds, runtime.deployment.max_bouncers
    bouncers = traffic_of(counters)
    known = bounds.known(period_id, sorted(bouncers))
    new = bounds.note(period_id, bouncers, known)
    tx.usage.add(period_id, today, {CounterKey(*key): CounterDelta(*total) for key, total in counters.items()})
    if counters and not bounds.add(period_id, sums_of(counters, new), most):
        raise _NoRoomError

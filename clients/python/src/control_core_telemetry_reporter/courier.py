"""Sends one batch after the other and does with each what the response says."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from control_core_telemetry_reporter.backoff import delay, retry_after
from control_core_telemetry_reporter.exchange import Endpoint, ExchangeError
from control_core_telemetry_reporter.options import Options
from control_core_telemetry_reporter.outbox import Batch, Outbox
from control_core_telemetry_reporter.refused import RefusedFile
from control_core_telemetry_reporter.verdict import Accepted, NoRoom, Refused, Repeat, TooLarge, Verdict, judge

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from control_core_telemetry_reporter.report import Report

_DAY_SECONDS = 86_400
_UNDECIDED = "it may have been counted, and is too old to be recognized"
_TOO_LARGE = "the request is too large even with this report alone"


@dataclass(slots=True)
class Progress:
    """How it is going; only the courier writes here."""

    accepted: int = 0
    duplicates: int = 0
    set_aside: int = 0
    failures: int = 0
    trouble: str | None = None
    held: str | None = None
    """Why reports are held, if any are."""
    passes: bool = True
    reportable: bool = True


class Courier:
    """Brings reports to the service. One thread at a time uses it."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: Callable[[], str],
        refused: RefusedFile,
        options: Options,
        lock: "AbstractContextManager[object]",
        now: Callable[[], float],
    ) -> None:
        """Send to ``endpoint``; touch spools only under ``lock``, and no spool during an exchange."""
        self._endpoint = endpoint
        self._token = token
        self._refused = refused
        self._options = options
        self._lock = lock
        self._now = now
        self._not_before = 0.0
        self.progress = Progress()

    @property
    def waits_until(self) -> float:
        """When the next attempt may be made, on the monotonic clock."""
        return self._not_before

    def empty(self, outbox: Outbox, until: float) -> bool:
        """Send what is due, until the service fails or the time is up; False if the service failed. Raises OSError."""
        while monotonic() < until:
            with self._lock:
                batch = self._without_undecided(outbox, outbox.next(monotonic(), self._now()))
            if batch is None:
                return True
            if batch.reports and not self._send(outbox, batch):
                return False
        return True

    def _without_undecided(self, outbox: Outbox, batch: Batch | None) -> Batch | None:
        """Set aside what may have arrived so long ago that the service may have forgotten its ID."""
        if batch is None:
            return None
        now, longest = self._now(), self._options.repeat_days * _DAY_SECONDS
        ages = {report: outbox.spool.sent_ago(report, now) for report in batch.reports}
        old = {report: _UNDECIDED for report, age in ages.items() if age is not None and age > longest}
        if not old:
            return batch
        self._set_aside(outbox, batch, old)
        return Batch(tuple(report for report in batch.reports if report not in old), holds=batch.holds)

    def _send(self, outbox: Outbox, batch: Batch) -> bool:
        try:
            verdict = self._ask(outbox, batch)
        except BaseException:
            outbox.put_back(batch)
            raise
        with self._lock:
            return self._follow(verdict, outbox, batch)

    def _ask(self, outbox: Outbox, batch: Batch) -> Verdict:
        """Send a batch. Raises OSError: the spool cannot be written, so nothing was sent."""

        def mark() -> None:
            with self._lock:
                outbox.spool.mark_sent(batch.reports)

        try:
            token = self._token()
        except Exception:  # noqa: BLE001 - the host's function may raise anything
            return Repeat("no_token", passes=False)
        try:
            response = self._endpoint.post(_body(batch.reports), token, self._options.timeout_seconds, mark)
        except ExchangeError as error:
            return Repeat(error.reason, passes=error.reason != "tls_failed")
        return judge(response, batch.reports)

    def _follow(self, verdict: Verdict, outbox: Outbox, batch: Batch) -> bool:
        """Do what a verdict asks for; False if nothing more can be sent now."""
        if isinstance(verdict, Repeat):
            outbox.put_back(batch)
            self._failed(verdict)
            return False
        self._responded()
        match verdict:
            case Accepted():
                self._accepted(verdict, outbox, batch)
            case Refused():
                self._refuse(verdict, outbox, batch)
            case NoRoom():
                self._hold(verdict, outbox, batch)
            case TooLarge():
                self._shrink(outbox, batch)
        return True

    def _failed(self, verdict: Repeat) -> None:
        progress = self.progress
        progress.failures += 1
        progress.trouble, progress.passes = verdict.reason, verdict.passes
        seconds = max(delay(progress.failures), retry_after(verdict.retry_after, self._now()))
        self._not_before = monotonic() + seconds

    def _responded(self) -> None:
        self.progress.failures, self.progress.trouble, self.progress.passes = 0, None, True
        self._not_before = 0.0

    def _accepted(self, verdict: Accepted, outbox: Outbox, batch: Batch) -> None:
        self.progress.accepted += verdict.accepted
        self.progress.duplicates += verdict.duplicates
        self.progress.reportable = verdict.reportable
        outbox.finish(batch.reports)

    def _refuse(self, verdict: Refused, outbox: Outbox, batch: Batch) -> None:
        reasons = verdict.reports
        if not reasons and len(batch.reports) > 1:
            outbox.split(batch)
            return
        if not reasons:
            reasons = {batch.reports[0].report_id: verdict.reason}
        outbox.continue_with([report for report in batch.reports if report.report_id not in reasons])
        aside = {report: reasons[report.report_id] for report in batch.reports if report.report_id in reasons}
        self._set_aside(outbox, batch, aside)

    def _hold(self, verdict: NoRoom, outbox: Outbox, batch: Batch) -> None:
        self.progress.held = verdict.reason
        listed = verdict.reports or {report.report_id for report in batch.reports}
        outbox.continue_with([report for report in batch.reports if report.report_id not in listed])
        outbox.hold(batch, [report for report in batch.reports if report.report_id in listed], monotonic())

    def _shrink(self, outbox: Outbox, batch: Batch) -> None:
        if len(batch.reports) > 1:
            outbox.split(batch)
        else:
            self._set_aside(outbox, batch, {batch.reports[0]: _TOO_LARGE})

    def _set_aside(self, outbox: Outbox, batch: Batch, reasons: "dict[Report, str]") -> None:
        try:
            self._refused.append(reasons, self._now())
        except OSError:
            self.progress.held = "refused_file_unwritable"
            outbox.hold(batch, list(reasons), monotonic())
        else:
            self.progress.set_aside += len(reasons)
            outbox.finish(list(reasons))


def _body(reports: "Sequence[Report]") -> bytes:
    return json.dumps({"reports": [report.document for report in reports]}, separators=(",", ":")).encode("ascii")

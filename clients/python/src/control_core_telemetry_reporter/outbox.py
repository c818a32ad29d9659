"""The reports of one spool on their way: in batches that shrink around what the service refuses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from control_core_telemetry_reporter.backoff import delay
from control_core_telemetry_reporter.options import BATCH_REPORTS
from control_core_telemetry_reporter.report import Report
from control_core_telemetry_reporter.spool import Spool


@dataclass(frozen=True, slots=True)
class Batch:
    """Reports for one request."""

    reports: tuple[Report, ...]
    not_before: float = 0.0
    """On the monotonic clock."""
    holds: int = 0
    """How often there was no room for it."""


class Outbox:
    """Divides a spool into batches."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._batches = _divide(spool.fixed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not self.spool.waiting

    @property
    def held(self) -> int:
        """How many reports are repeated later."""
        return sum(len(batch.reports) for batch in self._batches if batch.holds)

    def next(self, moment: float, now: float) -> Batch | None:
        """Take out the next batch that is due; open counts become reports if none is. Raises OSError.

        Args:
            moment: on the monotonic clock.
            now: on the wall clock, for new IDs.
        """
        if (due := self._due(moment)) is None:
            held = {report.key for batch in self._batches for report in batch.reports}
            self._batches[:0] = _divide(self.spool.fix_open(now, held))
            due = self._due(moment)
        return None if due is None else self._batches.pop(due)

    def put_back(self, batch: Batch) -> None:
        """Repeat a batch first."""
        self._batches.insert(0, batch)

    def finish(self, reports: Collection[Report]) -> None:
        """Forget reports that were accepted or set aside."""
        self.spool.remove(reports)

    def split(self, batch: Batch) -> None:
        """Repeat a batch as two halves."""
        middle = len(batch.reports) // 2
        self._batches[:0] = [Batch(batch.reports[:middle]), Batch(batch.reports[middle:])]

    def continue_with(self, reports: Sequence[Report]) -> None:
        """Repeat what is left of a batch."""
        if reports:
            self._batches.insert(0, Batch(tuple(reports)))

    def hold(self, batch: Batch, reports: Sequence[Report], moment: float) -> None:
        """Repeat reports of a batch later. Until then, the counts of their bouncers stay open."""
        holds = batch.holds + 1
        self._batches.append(Batch(tuple(reports), moment + delay(holds), holds))

    def _due(self, moment: float) -> int | None:
        return next((index for index, batch in enumerate(self._batches) if batch.not_before <= moment), None)


def _divide(reports: Sequence[Report]) -> list[Batch]:
    starts = range(0, len(reports), BATCH_REPORTS)
    return [Batch(tuple(reports[start : start + BATCH_REPORTS])) for start in starts]

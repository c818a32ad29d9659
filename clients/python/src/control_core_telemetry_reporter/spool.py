"""Counts on their way: open ones, and reports whose ID is fixed. Each change is in the journal first."""

import errno
import time
from collections.abc import Collection, Sequence
from typing import Self

from control_core_telemetry_reporter.journal import DamagedError, Journal, NoJournal, Record, as_rows
from control_core_telemetry_reporter.options import Options
from control_core_telemetry_reporter.report import Counts, Key, Report, Sums, add, fix
from control_core_telemetry_reporter.tally import merge

_SMALL_BYTES = 4 * 1024 * 1024
"""A journal that is not larger is not rewritten, unless it reaches the limit."""


class Spool:
    """The counts of one process. Callers make one call at a time."""

    def __init__(self, journal: Journal, options: Options) -> None:
        """Start empty, with a journal that is empty too; ``restore`` is for one that is not."""
        self._journal = journal
        self._options = options
        self._open: Sums = {}
        self._fixed: dict[str, Report] = {}
        self._sent: dict[str, float | None] = {}
        """When it was marked in this process, on a clock that no one sets; None if an earlier one marked it."""
        self._whole = 0
        """The journal's size when it was last rewritten."""
        self.dropped = 0
        """Counts of bouncers beyond the limit."""

    @classmethod
    def in_memory(cls, options: Options) -> Self:
        """Return one that survives nothing."""
        return cls(NoJournal(), options)

    @classmethod
    def restore(cls, journal: Journal, records: Sequence[Record], options: Options) -> Self:
        """Return a spool as its journal says.

        Raises:
            DamagedError: a record makes no sense.
        """
        spool = cls(journal, options)
        try:
            for record in records:
                spool._apply(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DamagedError from None
        return spool

    @property
    def fixed(self) -> list[Report]:
        """The reports whose ID is fixed, oldest first."""
        return list(self._fixed.values())

    @property
    def waiting(self) -> int:
        """Reports, and bouncers with open counts."""
        return len(self._open) + len(self._fixed)

    def sent_ago(self, report: Report, now: float) -> float | None:
        """Return for how many seconds a report may have arrived already; None if it cannot have.

        Only for what an earlier process has sent, the wall clock decides.
        """
        if report.report_id not in self._sent:
            return None
        marked = self._sent[report.report_id]
        return now - report.fixed_at if marked is None else _running_seconds() - marked

    def add(self, sums: Sums, *, sync: bool) -> None:
        """Add to the open counts. Raises OSError; then nothing was added."""
        if self._journal.size > self._options.max_spool_bytes:
            self._rewrite()
        if self._journal.size > self._options.max_spool_bytes:
            raise OSError(errno.EDQUOT, "the spool has its maximum size")
        if sums:
            self._keep({"counts": [[*key, *counts] for key, counts in sums.items()]}, sync=sync)

    def take_open(self) -> Sums:
        """Take the open counts out of a spool in memory."""
        taken, self._open = self._open, {}
        return taken

    def fix_open(self, now: float, held: Collection[Key]) -> list[Report]:
        """Give the open counts their IDs, durably: a repeat must be recognized. Raises OSError.

        Args:
            now: in seconds since 1970.
            held: whose counts stay open.
        """
        reports = list(fix({key: counts for key, counts in self._open.items() if key not in held}, now))
        if reports:
            self._keep({"fixed": [report.row for report in reports]}, sync=True)
        return reports

    def mark_sent(self, reports: Collection[Report]) -> None:
        """Keep that these reports may have arrived from now on. Raises OSError."""
        new = [report.report_id for report in reports if report.report_id not in self._sent]
        if new:
            self._keep({"sent": new}, sync=True)
            self._sent |= dict.fromkeys(new, _running_seconds())

    def remove(self, reports: Collection[Report]) -> None:
        """Forget reports that were accepted or set aside."""
        record = {"gone": [report.report_id for report in reports]}
        try:
            self._keep(record, sync=False)
        except OSError:
            # After a restart they are repeated, and recognized.
            self._apply(record)

    def close(self) -> None:
        """Give up the file; delete it if nothing waits."""
        if self.waiting:
            self._journal.close()
        else:
            self._journal.remove()

    def leave(self) -> None:
        """Give up the file and change nothing, in a process that has only inherited it."""
        self._journal.close()

    def _keep(self, record: Record, *, sync: bool) -> None:
        if self._journal.size > max(_SMALL_BYTES, 2 * self._whole):
            self._rewrite()
        self._journal.append(record, sync=sync)
        self._apply(record)

    def _rewrite(self) -> None:
        self._journal.replace(self._records())
        self._whole = self._journal.size

    def _records(self) -> list[Record]:
        counts = [[*key, *counts] for key, counts in self._open.items()]
        fixed = [report.row for report in self._fixed.values()]
        return [{"fixed": fixed}, {"sent": list(self._sent)}, {"counts": counts}]

    def _apply(self, record: Record) -> None:
        if "counts" in record:
            self.dropped += merge(self._open, _sums(as_rows(record, "counts")), self._options.max_bouncers)
        elif "fixed" in record:
            for report in map(Report.read, as_rows(record, "fixed")):
                self._open.pop(report.key, None)
                self._fixed[report.report_id] = report
        elif "sent" in record:
            self._sent |= dict.fromkeys(self._fixed.keys() & set(as_rows(record, "sent")))
        else:
            for report_id in as_rows(record, "gone"):
                self._fixed.pop(report_id, None)
                self._sent.pop(report_id, None)


def _running_seconds() -> float:
    """Return the time of a clock that only runs forward; where the system has one, it runs during a suspend too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _sums(rows: Sequence[object]) -> Sums:
    sums: Sums = {}
    for row in rows:
        key, counts = _read(row)
        add(sums, key, counts)
    return sums


def _read(row: object) -> tuple[Key, Counts]:
    if not isinstance(row, list) or tuple(map(type, row)) != (str, str, int, int, int):
        raise ValueError("not counts")
    bouncer_id, environment, events, decisions, successful = row
    return (bouncer_id, environment), (events, decisions, successful)

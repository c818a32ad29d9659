"""Decides which calls with usage reports the open period has room for. A call is taken or refused as a whole.

The caller passes the sums of the period, and locks out other callers until it has written the decision.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from telemetry_service.domain.errors import PeriodFullError, RefusedReport, TooManyBouncersError, UsageRefusedError
from telemetry_service.domain.facts import Content, RecordingResult, UsageReport, checksum_of, content_of
from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.domain.periods import BouncerTraffic, PeriodSums

_BEYOND = "would make a total of the open period exceed 2^53-1"
_ONE_MORE = "would add one bouncer more than the open period allows"

Counters = dict[tuple[str, str], list[int]]
"""Audit events, decisions and successful decisions, for each bouncer and environment."""


def count_in(counters: Counters, report: UsageReport) -> None:
    """Add a report to its counter."""
    _add_to(counters, content_of(report))


def _add_to(counters: Counters, content: Content) -> None:
    bouncer_id, environment, events, decisions, successes = content
    total = counters.get((bouncer_id, environment))
    if total is None:
        counters[bouncer_id, environment] = [events, decisions, successes]
        return
    total[0] += events
    total[1] += decisions
    total[2] += successes


@dataclass(frozen=True, slots=True)
class GroupCount:
    """What a group of calls adds. Only the first report with an ID counts."""

    counters: Counters
    checksums: dict[int, int]
    """The checksum of each report that counts, by its ID."""
    accepted: list[int]
    """How many reports of each call count."""

    @classmethod
    def of(cls, calls: Sequence[Sequence[UsageReport]], known: Collection[int] = ()) -> Self:
        """Add up all reports but those whose ID is ``known``. Each report is read once: this is the hot path."""
        counters, checksums, accepted = Counters(), dict[int, int](), []
        for reports in calls:
            before = len(checksums)
            for report in reports:
                report_id = report["report_id"].int
                if report_id not in checksums and report_id not in known:
                    content = content_of(report)
                    checksums[report_id] = checksum_of(content)
                    _add_to(counters, content)
            accepted.append(len(checksums) - before)
        return cls(counters, checksums, accepted)


def traffic_of(counters: Counters) -> dict[str, BouncerTraffic]:
    """Return the traffic of each bouncer."""
    found: dict[str, BouncerTraffic] = {}
    for (bouncer_id, _), (events, decisions, _) in counters.items():
        before = found.get(bouncer_id)
        traffic = bool(events or decisions or (before and before.has_traffic))
        found[bouncer_id] = BouncerTraffic(traffic, bool(decisions or (before and before.has_decisions)))
    return found


def sums_of(counters: Counters, new_bouncers: int) -> PeriodSums:
    """Return what counters add to the sums of a period."""
    counts = counters.values()
    return PeriodSums(sum(c[0] for c in counts), sum(c[1] for c in counts), new_bouncers)


def fits(sums: PeriodSums, delta: PeriodSums, max_bouncers: int) -> bool:
    """Whether a period with these ``sums`` has room for ``delta``. A known bouncer always has room."""
    return (
        sums.events + delta.events <= MAX_INTEGER
        and sums.decisions + delta.decisions <= MAX_INTEGER
        and (delta.bouncers == 0 or sums.bouncers + delta.bouncers <= max_bouncers)
    )


class Admission:
    """Takes calls one after another. ``counters`` and ``counted`` (IDs) hold what it has taken."""

    def __init__(
        self, sums: PeriodSums, known_bouncers: Iterable[str], known_ids: Collection[int], max_bouncers: int
    ) -> None:
        """Start with the period's sums and known bouncers, before any of the calls."""
        self.counters: Counters = {}
        self.counted: set[int] = set()
        self._sums = sums
        self._bouncers = set(known_bouncers)
        self._known_ids = known_ids
        self._max_bouncers = max_bouncers

    def take(self, reports: Sequence[UsageReport]) -> RecordingResult | UsageRefusedError:
        """Take a call as a whole, or return which of its reports do not fit."""
        fresh = self._fresh(reports)
        sums, added, problems = self._sums, set[str](), list[RefusedReport]()
        for index, report in fresh.items():
            bouncer_id = report["bouncer_id"]
            new = bouncer_id not in self._bouncers and bouncer_id not in added
            delta = PeriodSums(report["audit_events"], report["policy_decisions"], int(new))
            if fits(sums, delta, self._max_bouncers):
                sums = plus(sums, delta)
                added.add(bouncer_id)
            else:
                problems.append(RefusedReport(index, report["report_id"], *_problem(sums, delta)))
        if problems:
            return _refusal(problems)
        self._sums = sums
        self._bouncers |= added
        for report in fresh.values():
            count_in(self.counters, report)
            self.counted.add(report["report_id"].int)
        return RecordingResult(accepted=len(fresh), duplicates=len(reports) - len(fresh))

    def _fresh(self, reports: Sequence[UsageReport]) -> dict[int, UsageReport]:
        """Return the reports that would count, by their index: only the first report with an ID counts."""
        seen: set[int] = set()
        fresh = {}
        for index, report in enumerate(reports):
            report_id = report["report_id"].int
            if report_id in self._known_ids or report_id in self.counted or report_id in seen:
                continue
            seen.add(report_id)
            fresh[index] = report
        return fresh


def _problem(sums: PeriodSums, delta: PeriodSums) -> tuple[str, str]:
    """Return the field that is too large, and the problem."""
    if sums.events + delta.events > MAX_INTEGER:
        return "audit_events", _BEYOND
    if sums.decisions + delta.decisions > MAX_INTEGER:
        return "policy_decisions", _BEYOND
    return "bouncer_id", _ONE_MORE


def _refusal(problems: Sequence[RefusedReport]) -> UsageRefusedError:
    full = any(one.problem == _BEYOND for one in problems)
    return PeriodFullError(problems) if full else TooManyBouncersError(problems)


def plus(sums: PeriodSums, delta: PeriodSums) -> PeriodSums:
    """Return the two added up."""
    return PeriodSums(sums.events + delta.events, sums.decisions + delta.decisions, sums.bouncers + delta.bouncers)

"""What is said beside the result of a call with usage reports: nothing of it keeps a report from being counted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from telemetry_service.domain.facts import (
    WARNINGS_SHOWN,
    Environment,
    FactWarning,
    RecordingResult,
    UsageReport,
    WarningCode,
    checksum_of,
    content_of,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What was known when a group of calls was written."""

    reportable: bool
    """Whether the open period will be sent."""
    registered: Mapping[str, Environment]
    """The environment of each bouncer that is registered."""
    checksums: Mapping[int, int]
    """The checksum that each report ID was counted with, now or before."""

    def added_to(self, result: RecordingResult, reports: Sequence[UsageReport]) -> RecordingResult:
        """Return the result of a call with its warnings."""
        reused = self._reused(reports) if result.duplicates else ()
        warnings = tuple(islice((*self._differing(reports), *reused), WARNINGS_SHOWN))
        return replace(result, reportable=self.reportable, warnings=warnings)

    def _differing(self, reports: Sequence[UsageReport]) -> Iterator[FactWarning]:
        """Warn once for each bouncer whose usage is of another environment than its registration says."""
        if not self.registered:
            return
        said = set()
        for index, report in enumerate(reports):
            bouncer_id = report["bouncer_id"]
            if (
                self.registered.get(bouncer_id, report["environment"]) != report["environment"]
                and bouncer_id not in said
            ):
                said.add(bouncer_id)
                yield FactWarning(WarningCode.ENVIRONMENT_DIFFERS, bouncer_id, index, report["report_id"])

    def _reused(self, reports: Sequence[UsageReport]) -> Iterator[FactWarning]:
        for index, report in enumerate(reports):
            checksum = checksum_of(content_of(report))
            if self.checksums.get(report["report_id"].int, checksum) != checksum:
                yield FactWarning(WarningCode.REPORT_ID_REUSED, report["bouncer_id"], index, report["report_id"])

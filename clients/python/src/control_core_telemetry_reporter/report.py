"""A usage report. Its ID and counts are fixed before it is sent for the first time."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Self
from uuid import UUID

from control_core_telemetry_reporter.options import MAX_COUNT

Key = tuple[str, str]
"""Bouncer and environment."""

Counts = tuple[int, int, int]
"""Audit events, policy decisions, successful decisions."""

Sums = dict[Key, Counts]

_FIELDS = (str, str, str, int, int, int)


@dataclass(frozen=True, slots=True)
class Report:
    """What one request says about one bouncer."""

    report_id: str
    bouncer_id: str
    environment: str
    audit_events: int
    policy_decisions: int
    successful_decisions: int

    @classmethod
    def read(cls, row: object) -> Self:
        """Read it from a row of the spool.

        Raises:
            ValueError: this is not a report.
        """
        if not isinstance(row, list) or tuple(map(type, row)) != _FIELDS:
            raise ValueError("not a report")
        UUID(row[0])
        return cls(*row)

    @property
    def row(self) -> list[object]:
        """The report as a row of the spool."""
        return [self.report_id, *self.key, *self.counts]

    @property
    def key(self) -> Key:
        """Whose counts these are."""
        return self.bouncer_id, self.environment

    @property
    def counts(self) -> Counts:
        """The counts."""
        return self.audit_events, self.policy_decisions, self.successful_decisions

    @property
    def document(self) -> dict[str, object]:
        """The report as the service reads it."""
        return asdict(self)

    @property
    def fixed_at(self) -> float:
        """When its ID was created, in seconds since 1970."""
        return (UUID(self.report_id).int >> 80) / 1000


def add(sums: Sums, key: Key, counts: Counts) -> None:
    """Add counts in place."""
    events, decisions, successful = sums.get(key, (0, 0, 0))
    sums[key] = (events + counts[0], decisions + counts[1], successful + counts[2])


def fix(sums: Sums, now: float) -> Iterator[Report]:
    """Yield the reports of all sums: usually one each, more if a count is larger than one report may have."""
    for (bouncer_id, environment), counts in sums.items():
        for part in _parts(counts):
            yield Report(time_ordered_id(now), bouncer_id, environment, *part)


def _parts(counts: Sequence[int]) -> Iterator[Counts]:
    events, decisions, successful = counts
    while True:
        part = min(events, MAX_COUNT), min(decisions, MAX_COUNT), min(successful, MAX_COUNT)
        yield part
        events, decisions, successful = events - part[0], decisions - part[1], successful - part[2]
        if not (events or decisions or successful):
            return


def time_ordered_id(now: float) -> str:
    """Return a new UUIDv7 (RFC 9562). Only its 74 random bits make it unique, so a clock may step back."""
    milliseconds = int(now * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(UUID(int=value))

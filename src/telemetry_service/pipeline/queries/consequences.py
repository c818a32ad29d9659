"""What saving a configuration would lose permanently, in numbers, to be confirmed first."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.phrases import counted
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.aggregate import count

MOST_COUNTED = 100_000
"""The most rows of a purge that are counted in advance: each view of the settings counts them, and recording must not
slow down."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a save would lose; zeros if nothing."""

    events_never_sent: int
    """Audit events of the open period, if the save turns telemetry off."""
    decisions_never_sent: int
    rows_deleted: int
    """Rows that the next daily purge deletes for a shorter retention; ``MOST_COUNTED + 1`` if there are more."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is lost; empty if nothing is."""
        found = []
        if self.events_never_sent or self.decisions_never_sent:
            events = counted(self.events_never_sent, "audit event")
            decisions = counted(self.decisions_never_sent, "policy decision")
            found.append(f"The current period closes without a payload: {events} and {decisions} will never be sent.")
        if self.rows_deleted:
            more = "More than " if self.rows_deleted > MOST_COUNTED else ""
            rows = counted(min(self.rows_deleted, MOST_COUNTED), "row")
            found.append(f"{more}{rows} of older data will be deleted at the next daily purge.")
        return tuple(found)


def read_consequences(snapshot: Snapshot, after: Configuration) -> Consequences:
    """Return what saving ``after`` would lose at the time of the snapshot; a later save may lose more."""
    events = decisions = rows = 0
    if snapshot.enabled and not after.enabled:
        with suppress(RowUnreadableError):  # What cannot be counted keeps no one from turning telemetry off.
            counts = count(snapshot)
            events, decisions = counts.total_events, counts.policy_decision_count
    if after.retention_days < snapshot.configuration.values.retention_days:
        rows = count_rows_to_purge(snapshot, after.retention_days)
    return Consequences(events, decisions, rows)


def count_rows_to_purge(snapshot: Snapshot, retention_days: int) -> int:
    """Return how many rows a purge with ``retention_days`` would delete now.

    Counting stops at one more than ``MOST_COUNTED``.
    """
    return snapshot.tx.retention.count(snapshot.now - timedelta(days=retention_days), MOST_COUNTED + 1)

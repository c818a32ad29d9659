"""What saving a configuration would lose permanently, in numbers, to be confirmed first."""

from contextlib import suppress
from datetime import timedelta

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.consequences import MOST_COUNTED, Consequences
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.aggregate import count


def read_consequences(snapshot: Snapshot, after: Configuration) -> Consequences:
    """Return what saving ``after`` would lose at the time of the snapshot; a later save may lose more."""
    events = decisions = rows = 0
    before = snapshot.configuration.values.model_copy(update={"enabled": snapshot.enabled})
    if snapshot.enabled and not after.enabled:
        with suppress(RowUnreadableError):  # What cannot be counted keeps no one from turning telemetry off.
            counts = count(snapshot)
            events, decisions = counts.total_events, counts.policy_decision_count
    if after.retention_days < snapshot.configuration.values.retention_days:
        rows = count_rows_to_purge(snapshot, after.retention_days)
    changes = tuple(name for name, value in dict(after).items() if value != getattr(before, name))
    return Consequences(changes, events, decisions, rows)


def count_rows_to_purge(snapshot: Snapshot, retention_days: int) -> int:
    """Return how many rows a purge with ``retention_days`` would delete now.

    Counting stops at one more than ``MOST_COUNTED``.
    """
    return snapshot.tx.retention.count(snapshot.now - timedelta(days=retention_days), MOST_COUNTED + 1)

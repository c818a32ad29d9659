"""The activity list: who changed, revealed, retried, sent."""

from telemetry_service.domain.activity import Activity
from telemetry_service.pipeline.snapshot import Snapshot


def list_activity(snapshot: Snapshot, limit: int = 50) -> tuple[Activity, ...]:
    """Return the latest entries, newest first."""
    return snapshot.tx.activity.latest(limit)

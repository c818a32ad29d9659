"""The activity list: who changed, revealed, retried, sent."""

from telemetry_service.domain.activity import Activity
from telemetry_service.pipeline.runtime import Runtime


def list_activity(runtime: Runtime, limit: int = 50) -> tuple[Activity, ...]:
    """Return the latest entries, newest first."""
    with runtime.database.read() as tx:
        return tx.activity.latest(limit)

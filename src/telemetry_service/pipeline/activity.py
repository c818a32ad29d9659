"""The activity list: who changed, revealed, retried, sent."""

from telemetry_service.domain.activity import Activity
from telemetry_service.pipeline.installation import Installation


def list_activity(installation: Installation, limit: int = 50) -> tuple[Activity, ...]:
    """Return the latest entries, newest first."""
    with installation.database.read() as tx:
        return tx.activity.latest(limit)

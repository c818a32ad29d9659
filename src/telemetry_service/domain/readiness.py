"""Whether a process of the service can do its work: it wakes, and its writes reach the disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the process knows without asking the database. Ages come from the monotonic clock."""

    database: bool
    """Whether the last write was committed, and recently."""
    scheduler: bool
    """Whether it woke recently."""
    last_waking_age_seconds: float | None
    """None before the first waking."""
    last_heartbeat_age_seconds: float | None
    """Since the last committed heartbeat; None before the first."""

    @property
    def ready(self) -> bool:
        """Whether the service can do its work."""
        return self.database and self.scheduler

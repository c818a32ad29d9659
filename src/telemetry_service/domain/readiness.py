"""Whether a process of the service can do its work: it wakes, and what it writes reaches the disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is known of it at a moment, without asking anybody. Ages are by a clock that no one can set."""

    database: bool
    """Whether what was written last was committed, a short while ago."""
    scheduler: bool
    """Whether it woke a short while ago."""
    last_waking_age_seconds: float | None
    """None before the first waking."""
    last_heartbeat_age_seconds: float | None
    """Since the last heartbeat that was committed; None before the first."""

    @property
    def ready(self) -> bool:
        """Whether the service can do its work."""
        return self.database and self.scheduler

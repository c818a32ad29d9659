"""A wall clock that can be set back, so that two months pass in seconds."""

from datetime import datetime, timedelta

from telemetry_service.domain.clock import Clock


class OffsetClock:
    """Runs like the wall clock, off by ``offset``."""

    def __init__(self, wall: Clock) -> None:
        """Start at the present time."""
        self._wall = wall
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """Return the time that it shows."""
        return self._wall.now() + self.offset

    def set_to(self, moment: datetime) -> None:
        """Show ``moment`` and continue from there."""
        self.offset = moment - self._wall.now()

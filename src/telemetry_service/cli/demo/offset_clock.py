"""A wall clock that can be set back, so that two months are told in seconds."""

from datetime import datetime, timedelta

from telemetry_service.domain.clock import Clock


class OffsetClock:
    """Goes like the wall clock, ``offset`` away from it."""

    def __init__(self, wall: Clock) -> None:
        """Begin at the present."""
        self._wall = wall
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """Return the moment that it shows."""
        return self._wall.now() + self.offset

    def set_to(self, moment: datetime) -> None:
        """Show ``moment`` and continue from there."""
        self.offset = moment - self._wall.now()

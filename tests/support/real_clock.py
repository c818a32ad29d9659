"""The machine's clock, moved by a test: for what shares its time with another program."""

from datetime import datetime, timedelta

from telemetry_service.domain.clock import SystemClock
from tests.support.frozen_clock import FrozenClock


class RealClock(FrozenClock):
    """Goes on by itself."""

    def __init__(self) -> None:
        """Show the machine's time."""
        super().__init__()
        self._system = SystemClock()
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the machine's time, and as far ahead as it was moved."""
        return self._system.now() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move it."""
        self._ahead += by

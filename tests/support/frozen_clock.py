"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)


class FrozenClock:
    """Shows one moment; for tests within one process."""

    def __init__(self, start: datetime = START) -> None:
        """Show ``start``."""
        self._now = start

    def now(self) -> datetime:
        """Return the moment that it shows."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move it, forward or back."""
        self._now += by

"""Someone who is logged in, by a session or by the console's word."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry_service.domain.person import Person

RECENT = timedelta(minutes=10)
"""How long after a person proved who it is a secret may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A person who is logged in."""

    person: Person
    authenticated_at: datetime | None
    """When the person last proved who it is; None if no one vouches for that."""
    csrf_token: str = field(repr=False)

    @property
    def ends_here(self) -> bool:
        """Whether the person can log out here. What the console says, only the console can end."""
        return False

    def may_end_others(self, now: datetime) -> bool:  # noqa: ARG002 - a session needs the time
        """Whether it may end sessions. The console vouches for each request, so nothing was copied long ago."""
        return True

    def is_recent(self, now: datetime) -> bool:
        """Whether the person proved within the last ten minutes who it is."""
        return self.authenticated_at is not None and timedelta(0) <= now - self.authenticated_at <= RECENT

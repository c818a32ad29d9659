"""A person's own browser sessions."""

from uuid import UUID

from telemetry_service.schemas.base import Moment, ResponseModel


class SessionResponse(ResponseModel):
    """A browser session."""

    session_id: UUID
    started_at: Moment
    last_seen_at: Moment
    """Accurate to about a minute."""
    address: str | None
    """Where it was opened, as far as a trusted proxy reports it."""
    browser: str | None
    """The family of the browser, such as `Firefox on Linux`."""
    current: bool
    """Whether it is the one that asks."""


class SessionsResponse(ResponseModel):
    """The sessions that have not ended, latest first."""

    sessions: tuple[SessionResponse, ...]

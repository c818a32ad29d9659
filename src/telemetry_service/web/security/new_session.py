"""The session of a browser that logs in: one at a time, so that no forgotten cookie of it stays valid."""

from fastapi import Request, Response

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import AccessDeniedError
from telemetry_service.identity.sessions import Session
from telemetry_service.web.context import WebContext
from telemetry_service.web.security.cookies import read_session_cookie, set_session_cookie


def session_of(request: Request, context: WebContext) -> Session | None:
    """Return the session that the browser has on a public page; None if there is none."""
    try:
        return context.authentication.sessions.find(read_session_cookie(request) or "")
    except AccessDeniedError:
        return None


def begin_session(request: Request, response: Response, context: WebContext, caller: Actor, token: str) -> None:
    """Set the cookie of a new session, and end the session whose cookie it replaces."""
    context.authentication.sessions.end_presented(read_session_cookie(request), caller)
    set_session_cookie(request, response, token)


def renew_session(request: Request, token: str) -> None:
    """Note the new value of a session's cookie, whose old one has ended, before something else can fail."""
    request.state.renewed_session = token


def set_renewed_session(request: Request, response: Response) -> None:
    """Set the new value in a response that says what failed: otherwise the browser would lose its session."""
    token: str | None = getattr(request.state, "renewed_session", None)
    if token is not None:
        set_session_cookie(request, response, token)

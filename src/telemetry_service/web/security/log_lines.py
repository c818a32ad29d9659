"""Logs who was refused access, where and why."""

from fastapi import Request

from telemetry_service.domain.errors import AccessDeniedError, ScopeMissingError, TelemetryError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.log_lines import route_of
from telemetry_service.web.security.cookies import read_session_cookie
from telemetry_service.web.security.csrf import ForgeryCheckError


def log_access_refused(request: Request, error: TelemetryError) -> None:
    """Write that a caller was refused access."""
    route = route_of(request)
    if isinstance(error, ForgeryCheckError):
        log_event(Event.CSRF_REFUSED, route=route, check=error.check)
    elif isinstance(error, ScopeMissingError):
        log_event(Event.SCOPE_MISSING, route=route, actor=getattr(request.state, "actor", None))
    elif isinstance(error, AccessDeniedError):
        log_event(Event.ACCESS_DENIED, route=route, credential=_credential_of(request))


def _credential_of(request: Request) -> str:
    if "authorization" in request.headers:
        return "token"
    return "none" if read_session_cookie(request) is None else "session"

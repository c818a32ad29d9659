"""Who was refused, where and why: a line for each refusal of access, and one for a call that asks for what cannot be.

What is logged where it happens is not logged here again: logins, and the database's faults.
"""

from fastapi import Request

from telemetry_service.domain.errors import (
    AccessDeniedError,
    LoginFailedError,
    LoginThrottledError,
    NotFoundError,
    RequestForgeryError,
    ScopeMissingError,
    StorageUnavailableError,
    TelemetryError,
)
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.security.cookies import read_session_cookie

_LOGGED_ELSEWHERE = (
    AccessDeniedError,
    ScopeMissingError,
    RequestForgeryError,
    LoginFailedError,
    LoginThrottledError,
    StorageUnavailableError,
    # Of an address that leads nowhere there is nothing to say that the caller does not know.
    NotFoundError,
)


def log_access_refused(request: Request, error: TelemetryError) -> None:
    """Write that a caller was not let in. Only a name of the route is told: a path can hold what a caller made up."""
    route = _route_of(request)
    if isinstance(error, RequestForgeryError):
        log_event(Event.CSRF_REFUSED, route=route, check=getattr(error, "check", None))
    elif isinstance(error, ScopeMissingError):
        log_event(Event.SCOPE_MISSING, route=route, actor=getattr(request.state, "actor", None))
    elif isinstance(error, AccessDeniedError):
        log_event(Event.ACCESS_DENIED, route=route, credential=_credential_of(request))


def log_call_refused(request: Request, error: TelemetryError, status: int) -> None:
    """Write that a call was refused for what it asks; or before any route, as something that cannot be read."""
    if isinstance(error, _LOGGED_ELSEWHERE):
        return
    route = _route_of(request)
    if route is None:
        log_event(Event.REQUEST_REFUSED, code=error.code, status=status)
    else:
        log_event(Event.CALL_REFUSED, code=error.code, status=status, route=route)


def _route_of(request: Request) -> str | None:
    return getattr(request.scope.get("endpoint"), "__name__", None)


def _credential_of(request: Request) -> str:
    if "authorization" in request.headers:
        return "token"
    return "none" if read_session_cookie(request) is None else "session"

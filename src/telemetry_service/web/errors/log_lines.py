"""Logs invalid calls.

What is logged elsewhere is not logged here again: refused access, logins, database problems, and unexpected errors.
"""

from fastapi import Request
from starlette.types import Scope

from telemetry_service.domain import errors
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.problem import Problem

_NOTED = "telemetry_route"

_LOGGED_ELSEWHERE = (
    errors.AccessDeniedError,
    errors.ScopeMissingError,
    errors.RequestForgeryError,
    errors.LoginFailedError,
    errors.LoginThrottledError,
    errors.StorageUnavailableError,
    # An unknown path: a log line would add nothing.
    errors.NotFoundError,
)


def log_call_refused(request: Request, problem: Problem) -> None:
    """Log that a call was refused, because of its content or, before any route, because it is unreadable."""
    if isinstance(problem.error, _LOGGED_ELSEWHERE) or type(problem.error) is errors.TelemetryError:
        return
    route = route_of(request)
    if route is None:
        log_event(Event.REQUEST_REFUSED, code=problem.code, status=problem.status)
    else:
        log_event(Event.CALL_REFUSED, code=problem.code, status=problem.status, route=route)


def route_of(request: Request) -> str | None:
    """Return the name of the route. A path can contain anything, so it is never logged."""
    return getattr(request.scope.get("endpoint"), "__name__", None)


def note_route(request: Request) -> None:
    """Note the route with a request: an outer middleware has another copy of the scope, without it."""
    setattr(request.state, _NOTED, route_of(request))


def noted_route(scope: Scope) -> str | None:
    """Return the name of the route that a request reached; None if it reached none."""
    route: str | None = scope.get("state", {}).get(_NOTED)
    return route

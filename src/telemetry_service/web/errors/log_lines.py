"""Logs a call that asks for something impossible.

What is logged where it happens is not logged here again: refused access, logins, the database's trouble, and what
no one expected.
"""

from fastapi import Request

from telemetry_service.domain import errors
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.problem import Problem

_LOGGED_ELSEWHERE = (
    errors.AccessDeniedError,
    errors.ScopeMissingError,
    errors.RequestForgeryError,
    errors.LoginFailedError,
    errors.LoginThrottledError,
    errors.StorageUnavailableError,
    # An address that leads nowhere: the log could say nothing that the caller does not know.
    errors.NotFoundError,
)


def log_call_refused(request: Request, problem: Problem) -> None:
    """Write that a call was refused for what it asks, or before any route because it cannot be read."""
    if isinstance(problem.error, _LOGGED_ELSEWHERE) or type(problem.error) is errors.TelemetryError:
        return
    route = route_of(request)
    if route is None:
        log_event(Event.REQUEST_REFUSED, code=problem.code, status=problem.status)
    else:
        log_event(Event.CALL_REFUSED, code=problem.code, status=problem.status, route=route)


def route_of(request: Request) -> str | None:
    """Return the name of the route. A path can hold what a caller made up, so it is never logged."""
    return getattr(request.scope.get("endpoint"), "__name__", None)

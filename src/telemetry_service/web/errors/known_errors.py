"""Turns any exception into an error of ours: our own, the framework's, and those that no one expected."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException

from telemetry_service.domain.errors import NotFoundError, TelemetryError
from telemetry_service.log.write import log_exception
from telemetry_service.web.errors.explanations import explain
from telemetry_service.web.errors.request_errors import (
    BodyTooLargeError,
    InputRefusedError,
    MethodRefusedError,
    RequestMalformedError,
)


def known_error(request: Request, exception: Exception) -> TelemetryError:
    """Return the error of ours that an exception is. An unexpected one is logged by its place, without its text."""
    if isinstance(exception, TelemetryError):
        return exception
    if isinstance(exception, RequestValidationError):
        # The first step of a location says where the parameter is: query, path, header.
        return InputRefusedError(explain({**one, "loc": one["loc"][1:]} for one in exception.errors()))
    if isinstance(exception, HTTPException) and (known := _error_of_framework(request, exception)) is not None:
        return known
    log_exception(exception, "request")
    return TelemetryError()


def _error_of_framework(request: Request, exception: HTTPException) -> TelemetryError | None:
    """Return what the framework refuses by itself; None for what it refuses in no known case."""
    match exception.status_code:
        case HTTPStatus.BAD_REQUEST:
            return RequestMalformedError(())
        case HTTPStatus.NOT_FOUND:
            return NotFoundError()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodRefusedError(_allowed_methods(request.app, request.url.path))
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return BodyTooLargeError()
        case _:
            return None


def _allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods that a path takes, whichever routes serve them."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found | {"HEAD"} if "GET" in found else found)

"""The one exception handler: every error becomes a problem, and the caller gets it in a suitable form.

An API caller gets a problem document. The pages decide what a browser and htmx get; they are passed in, so that this
package names no template and no address of a page.
"""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.domain.errors import NotFoundError, TelemetryError
from telemetry_service.log.write import log_exception
from telemetry_service.web.errors import request_errors as requests
from telemetry_service.web.errors.explanations import explain
from telemetry_service.web.errors.log_lines import log_call_refused
from telemetry_service.web.errors.problem import Problem, note_problem, problem_of, problem_response

Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]

_KINDS = (TelemetryError, RequestValidationError, HTTPException)
"""What the framework passes to a handler. ``ErrorMiddleware`` passes the rest."""


class ErrorPages(Protocol):
    """How the pages of a browser show an error."""

    def include(self, request: Request) -> bool:
        """Whether a request is for one of the pages, and not for the API."""

    async def respond(self, request: Request, problem: Problem) -> Response:
        """Return the problem as a page, as a fragment for htmx, or as a redirect to the login."""


class ErrorHandler:
    """Responds to any exception."""

    def __init__(self, pages: ErrorPages | None = None) -> None:
        """Let ``pages`` respond to their requests, and respond to all others with a problem document."""
        self._pages = pages

    async def __call__(self, request: Request, exception: Exception) -> Response:
        """Return the response to ``exception``, and log who was refused and why."""
        pages = self._pages if self._pages is not None and self._pages.include(request) else None
        if pages is not None and request.method == "GET" and isinstance(exception, RequestValidationError):
            exception = NotFoundError()  # A page with an invalid address does not exist.
        problem = problem_of(_known_error(request, exception))
        log_call_refused(request, problem)
        note_problem(request, problem)
        return problem_response(problem) if pages is None else await pages.respond(request, problem)

    def by_kind(self) -> dict[int | type[Exception], Handler]:
        """Return this handler for each kind of exception, for the application."""
        return dict.fromkeys(_KINDS, self)


class ResponseCutOffError(Exception):
    """A response broke off in the middle; the log has the reason."""


class ErrorMiddleware:
    """Passes to the handler what no route raises: errors of the inner middleware, and unexpected ones."""

    def __init__(self, app: ASGIApp, handler: ErrorHandler) -> None:
        """Wrap ``app``."""
        self._app = app
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            ResponseCutOffError: a response had begun. It is cut off, so that no one mistakes half of it for the whole.
        """
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # The caller has disconnected.
        except Exception as error:  # noqa: BLE001 - the server would log whatever it is, text and all
            if scope["type"] != "http" or started:
                _log_cut_off(scope, error)
                raise ResponseCutOffError from None
            response = await self._respond(Request(scope, receive), error)
            await response(scope, receive, send)

    async def _respond(self, request: Request, error: Exception) -> Response:
        try:
            return await self._handler(request, error)
        except Exception as second:  # noqa: BLE001 - the page that shows an error may be what is broken
            log_exception(second, "request")
            return problem_response(problem_of(TelemetryError()))


def _log_cut_off(scope: Scope, error: Exception) -> None:
    """Log what cut a response off. Once a response has begun, the framework wraps our errors in its own."""
    known = error.__cause__
    if scope["type"] == "http" and isinstance(known, TelemetryError):
        log_call_refused(Request(scope), problem_of(known))
    else:
        log_exception(error, "request")


def _known_error(request: Request, exception: Exception) -> TelemetryError:
    """Return our error for an exception. An unexpected one is logged by its place, without its text."""
    if isinstance(exception, TelemetryError):
        return exception
    if isinstance(exception, RequestValidationError):
        # A location starts with the kind of the parameter: query, path, header.
        return requests.InputRefusedError(explain({**one, "loc": one["loc"][1:]} for one in exception.errors()))
    if isinstance(exception, HTTPException) and (known := _error_of_framework(request, exception)) is not None:
        return known
    log_exception(exception, "request")
    return TelemetryError()


def _error_of_framework(request: Request, exception: HTTPException) -> TelemetryError | None:
    """Return our error for a refusal by the framework; None for an unknown one."""
    match exception.status_code:
        case HTTPStatus.BAD_REQUEST:
            return requests.RequestMalformedError(())
        case HTTPStatus.NOT_FOUND:
            return NotFoundError()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return requests.MethodRefusedError(_allowed_methods(request.app, request.url.path))
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return requests.BodyTooLargeError()
        case _:
            return None


def _allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods that a path supports, over all its routes."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found | {"HEAD"} if "GET" in found else found)

"""The one exception handler: every error becomes a problem once, and the caller gets it in a form that it can use.

An API caller gets a problem document. What a browser and htmx get, the pages know: they are handed in, so that this
package names no template and no address of a page.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from telemetry_service.domain.errors import NotFoundError, TelemetryError
from telemetry_service.web.errors.known_errors import known_error
from telemetry_service.web.errors.log_lines import log_call_refused
from telemetry_service.web.errors.problem import Problem, problem_of, problem_response

Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]

_KINDS = (TelemetryError, RequestValidationError, HTTPException)
"""What the framework hands to a handler. ``ErrorMiddleware`` hands over the rest."""


class ErrorPages(Protocol):
    """How the pages of a browser show an error."""

    def include(self, request: Request) -> bool:
        """Whether a request is for one of the pages, and not for the API."""

    async def respond(self, request: Request, problem: Problem) -> Response:
        """Return the problem as a page, as a fragment for htmx, or as the way to the login."""


class ErrorHandler:
    """Responds to an exception, whatever it is."""

    def __init__(self, pages: ErrorPages | None = None) -> None:
        """Respond to requests for ``pages`` as they do, and to all others with a problem document."""
        self._pages = pages

    async def __call__(self, request: Request, exception: Exception) -> Response:
        """Return the response to ``exception``, and log who was refused and why."""
        pages = self._pages if self._pages is not None and self._pages.include(request) else None
        if pages is not None and request.method == "GET" and isinstance(exception, RequestValidationError):
            exception = NotFoundError()  # The address of a page that cannot be read leads nowhere.
        problem = problem_of(known_error(request, exception))
        log_call_refused(request, problem)
        return problem_response(problem) if pages is None else await pages.respond(request, problem)

    def by_kind(self) -> dict[int | type[Exception], Handler]:
        """Return this handler for each kind of exception, as the application takes it."""
        return dict.fromkeys(_KINDS, self)

"""Hands on to the one handler what no route raises: errors of the middleware inside, and those that no one expected."""

from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.write import log_exception
from telemetry_service.web.errors.handler import ErrorHandler
from telemetry_service.web.errors.log_lines import log_call_refused
from telemetry_service.web.errors.problem import problem_of, problem_response


class ResponseCutOffError(Exception):
    """A response broke off in the middle; the log says where the reason is."""


class ErrorMiddleware:
    """Responds to each exception that leaves the application: pure ASGI, around all that may raise one."""

    def __init__(self, app: ASGIApp, handler: ErrorHandler) -> None:
        """Guard ``app``."""
        self._app = app
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            ResponseCutOffError: a response had begun. It is cut off, so that no one takes half of it for the whole.
        """
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # No one waits for a response anymore.
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
    """Log what cut a response off. The framework wraps an error of ours in one of its own once a response has begun."""
    known = error.__cause__
    if scope["type"] == "http" and isinstance(known, TelemetryError):
        log_call_refused(Request(scope), problem_of(known))
    else:
        log_exception(error, "request")

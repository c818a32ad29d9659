"""Refusals before a request reaches the application, with the headers that the application would add."""

from starlette.responses import Response
from starlette.types import Scope

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.context import REQUEST_ID_HEADER, request_context
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.problem import problem_of, problem_response
from telemetry_service.web.http.middleware import new_request_id, request_id_of
from telemetry_service.web.security.response_headers import ALWAYS


def refusal_of(request: Scope, error: TelemetryError) -> Response:
    """Return the refusal of a request that was read, with its ID."""
    return early_refusal(error, peer_of(request), request_id_of(request))


def peer_of(scope: Scope) -> str:
    """Return the address of the caller, as far as it is known."""
    return str(scope["client"][0]) if scope.get("client") else ""


def early_refusal(error: TelemetryError, address: str, request_id: str | None = None) -> Response:
    """Return the problem document of one of our errors, after which the connection ends, and log the refusal."""
    with request_context(request_id or new_request_id(), address or None) as request:
        problem = problem_of(error)
        response = problem_response(problem)
        log_event(Event.REQUEST_REFUSED, code=problem.code, status=problem.status)
    response.headers[REQUEST_ID_HEADER] = request.request_id
    response.headers.update({**ALWAYS, "Cache-Control": "no-store", "Connection": "close"})
    return response

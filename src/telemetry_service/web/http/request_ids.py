"""Gives each request its ID: the caller's own where that can be repeated, else a new one."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.domain.clock import SystemClock, time_ordered_id
from telemetry_service.log.context import REQUEST_ID_HEADER, is_safe_request_id, request_context
from telemetry_service.web.http.middleware import http_middleware, with_headers


@http_middleware
async def request_ids(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Stand around everything, so that every line that a request causes and every answer bears its ID."""
    request_id = request_id_of(scope)
    client = scope.get("client")
    with request_context(request_id, client[0] if client else None):
        await app(scope, receive, with_headers(send, lambda headers: headers.update({REQUEST_ID_HEADER: request_id})))


def new_request_id() -> str:
    """Return an ID for a request that brought none, or none that can be repeated."""
    return str(time_ordered_id(SystemClock().now()))


def request_id_of(scope: Scope) -> str:
    """Return the ID that a request brought, or a new one."""
    given = Headers(scope=scope).getlist(REQUEST_ID_HEADER)
    if len(given) == 1 and is_safe_request_id(given[0]):
        return given[0]
    return new_request_id()

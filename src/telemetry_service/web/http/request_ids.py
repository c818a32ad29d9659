"""Gives each request its ID: the caller's own where that can be repeated, else a new one. Pure ASGI."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.domain.clock import SystemClock, time_ordered_id
from telemetry_service.log.context import REQUEST_ID_HEADER, answering, is_safe_request_id


class RequestIds:
    """Stands around everything, so that every line that a request causes and every answer bears its ID."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within its context, with a send that adds the header."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)

        async def add_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        client = scope.get("client")
        with answering(request_id, client[0] if client else None):
            await self._app(scope, receive, add_header)


def new_request_id() -> str:
    """Return an ID for a request that brought none, or none that can be repeated."""
    return str(time_ordered_id(SystemClock().now()))


def request_id_of(scope: Scope) -> str:
    """Return the ID that a request brought, or a new one."""
    given = Headers(scope=scope).getlist(REQUEST_ID_HEADER)
    if len(given) == 1 and is_safe_request_id(given[0]):
        return given[0]
    return new_request_id()

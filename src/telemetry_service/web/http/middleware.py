"""Turns a function that serves an HTTP request into a middleware; includes the three smallest ones."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.domain.clock import SystemClock, time_ordered_id
from telemetry_service.log.context import REQUEST_ID_HEADER, is_safe_request_id, request_context
from telemetry_service.storage.deadline import one_call
from telemetry_service.web.http.addresses import caller_address

P = ParamSpec("P")


def http_middleware(
    serve: Callable[Concatenate[ASGIApp, Scope, Receive, Send, P], Awaitable[None]],
) -> Callable[Concatenate[ASGIApp, P], ASGIApp]:
    """Return a middleware that calls ``serve`` for HTTP requests. Anything else, such as the lifespan, is passed on."""

    def around(app: ASGIApp, /, *args: P.args, **kwargs: P.kwargs) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await serve(app, scope, receive, send, *args, **kwargs)
            else:
                await app(scope, receive, send)

        return middleware

    return around


def with_headers(send: Send, change: Callable[[MutableHeaders], None]) -> Send:
    """Return a send that lets ``change`` set headers of the response."""

    async def send_changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return send_changed


@http_middleware
async def request_ids(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Give each request its ID: the caller's own if that is safe to repeat, else a new one.

    It wraps everything, so that every log line and response of a request has its ID.
    """
    request_id = request_id_of(scope)
    with request_context(request_id, caller_address(scope)):
        await app(scope, receive, with_headers(send, lambda headers: headers.update({REQUEST_ID_HEADER: request_id})))


@http_middleware
async def head_as_get(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve HEAD as GET, for every readable route. The server omits the body."""
    await app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, send)


@http_middleware
async def database_time(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Limit each call's total database time: many slow transactions end like one that hangs."""
    with one_call():
        await app(scope, receive, send)


def new_request_id() -> str:
    """Return an ID for a request without one that is safe to repeat."""
    return str(time_ordered_id(SystemClock().now()))


def request_id_of(scope: Scope) -> str:
    """Return the ID of a request, or a new one."""
    given = Headers(scope=scope).getlist(REQUEST_ID_HEADER)
    if len(given) == 1 and is_safe_request_id(given[0]):
        return given[0]
    return new_request_id()

"""How a middleware is written here: as one function that serves an HTTP request, and the two smallest of them."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.storage.deadline import one_call

P = ParamSpec("P")


def http_middleware(
    serve: Callable[Concatenate[ASGIApp, Scope, Receive, Send, P], Awaitable[None]],
) -> Callable[Concatenate[ASGIApp, P], ASGIApp]:
    """Make a middleware of ``serve``. What is no HTTP request, such as the start of the server, passes it by."""

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
async def head_as_get(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer HEAD as GET, for every route that can be read. The server leaves the body out."""
    await app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, send)


@http_middleware
async def database_time(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Give each call its time with the database: many transactions that are slow end like one that hangs."""
    with one_call():
        await app(scope, receive, send)

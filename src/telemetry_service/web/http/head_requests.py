"""Answers HEAD as GET without the body, for every route that can be read: pure ASGI."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Turns HEAD into GET on the way in and drops the body on the way out."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def drop_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, drop_body)

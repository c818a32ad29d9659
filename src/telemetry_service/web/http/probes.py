"""The probes: whatever the load, who asks whether the service is alive or ready is answered."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import OverloadedError
from telemetry_service.web.http.early_refusals import refusal_of

PATHS = frozenset({"/healthz", "/readyz"})
_METHODS = frozenset({"GET", "HEAD"})


def is_probe(scope: Scope) -> bool:
    """Whether a request asks whether the service is alive or ready."""
    return scope["type"] == "http" and scope["path"] in PATHS and scope["method"] in _METHODS


class OnlyProbes:
    """What a connection beyond the limits is served: one probe, or a refusal. Pure ASGI."""

    def __init__(self, app: ASGIApp, turn: Callable[[], Awaitable[None]]) -> None:
        """Hand probes on to ``app``; a refusal waits for its ``turn``, so that no probe waits for all of them."""
        self._app = app
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once, and end the connection."""
        if not is_probe(scope):
            await self._turn()
            await refusal_of(scope, OverloadedError())(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last)

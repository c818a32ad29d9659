"""The probes: whatever the load, who asks whether the service is alive or ready is answered."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.web.early_refusals import early_refusal
from telemetry_service.web.refusals import OverloadedError

PATHS = frozenset({"/healthz", "/readyz"})
_METHODS = frozenset({"GET", "HEAD"})


def peer_of(scope: Scope) -> str:
    """Return the address of the other side of the connection."""
    return str(scope["client"][0]) if scope.get("client") else ""


def is_probe(scope: Scope) -> bool:
    """Whether a request asks whether the service is alive or ready."""
    return scope["type"] == "http" and scope["path"] in PATHS and scope["method"] in _METHODS


class OnlyProbes:
    """What a connection beyond the limits is served: one probe, or a refusal. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        """Hand probes on to ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once, and end the connection."""
        if not is_probe(scope):
            await early_refusal(OverloadedError(), peer_of(scope))(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last)

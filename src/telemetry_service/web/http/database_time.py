"""Gives each call its time with the database: many transactions that are slow end like one that hangs."""

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.storage.deadline import one_call


class DatabaseTime:
    """Stands around the routes, within what answers without them."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with one_call():
            await self._app(scope, receive, send)

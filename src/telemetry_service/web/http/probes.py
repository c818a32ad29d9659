"""The probes: asking whether the service is alive or ready gets a quick response under any load.

The event loop starts everything that has arrived before it checks for more. If hundreds of connections have a request
at once, a probe would wait for all of those, and then for the next request of each. So each round of the loop starts
only a limited number of requests.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import OverloadedError
from telemetry_service.web.http.early_refusals import refusal_of
from telemetry_service.web.http.middleware import http_middleware, with_headers

PATHS = frozenset({"/healthz", "/readyz"})
_METHODS = frozenset({"GET", "HEAD"})

_BEGUN_IN_A_ROUND = 20
"""A request takes a millisecond or two of the loop's time."""


def is_probe(scope: Scope) -> bool:
    """Whether a request asks whether the service is alive or ready."""
    return scope["type"] == "http" and scope["path"] in PATHS and scope["method"] in _METHODS


@http_middleware
async def only_probes(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, turn: Callable[[], Awaitable[None]]
) -> None:
    """Serve a connection beyond the limits: one probe or a refusal, then end it.

    A refusal waits for its ``turn``, so that no probe waits for all of them.
    """

    def end_connection(headers: MutableHeaders) -> None:
        headers["Connection"] = "close"

    if is_probe(scope):
        await app(scope, receive, with_headers(send, end_connection))
        return
    await turn()
    await refusal_of(scope, OverloadedError())(scope, receive, send)


class Turns:
    """Starts requests one after another; a probe starts at once. Belongs to one event loop."""

    def __init__(self, app: ASGIApp, begun_in_a_round: int = _BEGUN_IN_A_ROUND) -> None:
        self._app = app
        self._most = begun_in_a_round
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it is its turn."""
        if scope["type"] == "http" and not is_probe(scope):
            await self.wait()
        await self._app(scope, receive, send)

    async def wait(self) -> None:
        """Return when it is the caller's turn."""
        loop = asyncio.get_running_loop()
        if not self._begun and not self._waiting:
            loop.call_soon(self._next_round)
        if self._begun < self._most and not self._waiting:
            self._begun += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_round(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < self._most:
            turn = self._waiting.popleft()
            if not turn.done():  # Its request may have been canceled.
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next_round)

"""So many requests are begun in one round of the event loop, so that a probe waits for few of them: pure ASGI.

The loop begins everything that has arrived before it looks for what arrives next. When hundreds of connections have a
request at once, a probe would wait until each of those has had its turn, and then for the next request of each.
"""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.http.probes import is_probe

_BEGUN_IN_A_ROUND = 20
"""A request takes a millisecond or two of the loop's time."""


class Turns:
    """Lets requests begin one after the other; a probe begins at once. Belongs to one event loop."""

    def __init__(self, app: ASGIApp, begun_in_a_round: int = _BEGUN_IN_A_ROUND) -> None:
        """Serve ``app``."""
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
            if not turn.done():  # Its request may have been given up.
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next_round)

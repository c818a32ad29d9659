"""The ``Date`` of every answer, by the License Server's own clock: a sender whose clock is wrong can learn it there."""

from collections.abc import Callable
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Dated:
    """Puts the date on whatever ``app`` answers."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        """Take the date from ``clock``, in Unix seconds."""
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ``app`` does."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = formatdate(self._clock(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)

"""The ``Date`` of every response, by the License Server's own clock, which shows a sender that its clock is wrong."""

from collections.abc import Callable
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Dated:
    """Adds the date to every response of ``app``."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        """Take the date from ``clock``, in Unix seconds."""
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond as ``app`` does."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = formatdate(self._clock(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)

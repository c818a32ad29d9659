"""No body is read beyond its bound, whatever its length is said to be: pure ASGI, around every route."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import BodyTooLargeError

KIB = 1024
USUAL_BYTES = 64 * KIB
"""Many times the largest form or document there is."""

USAGE_BYTES = 4 * KIB * KIB
"""10,000 reports with the longest IDs take 2.9 MB."""

_TOO_LARGE = 413
_DIGITS = 10


class BodyLimit:
    """Refuses a body that is, or turns out to be, too large."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        """Guard ``app``; ``larger`` names the paths that take more than the usual."""
        self._app = app
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a receive that counts.

        Raises:
            BodyTooLargeError: its length is said to be too large.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], USUAL_BYTES)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or len(announced) > _DIGITS or int(announced) > limit:
            raise BodyTooLargeError
        await self._app(scope, _counting(receive, limit), send)


def _counting(receive: Receive, limit: int) -> Receive:
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # The form parser of the framework lets only this exception through.
            raise HTTPException(_TOO_LARGE)
        return message

    return count

"""Never reads a body beyond its limit, whatever its Content-Length."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import BodyTooLargeError
from telemetry_service.web.http.middleware import http_middleware

KIB = 1024
USUAL_BYTES = 64 * KIB
"""Many times the largest form or document there is."""

USAGE_BYTES = 4 * KIB * KIB
"""10,000 reports with the longest IDs take 2.9 MB."""

_TOO_LARGE = 413
_DIGITS = 10


@http_middleware
async def limit_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send, larger: Mapping[str, int]) -> None:
    """Refuse a body that is, or turns out to be, too large; ``larger`` lists the paths with a higher limit.

    Raises:
        BodyTooLargeError: its Content-Length is too large.
    """
    limit = larger.get(scope["path"], USUAL_BYTES)
    announced = Headers(scope=scope).get("content-length", "0")
    if not announced.isdecimal() or len(announced) > _DIGITS or int(announced) > limit:
        raise BodyTooLargeError
    await app(scope, _counting(receive, limit), send)


def _counting(receive: Receive, limit: int) -> Receive:
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # The framework's form parser lets only this exception through.
            raise HTTPException(_TOO_LARGE)
        return message

    return count

"""Reads a request's body up to a limit."""

from starlette.requests import Request

from telemetry_service.reference.refusals import Reason, RefusalError

MAX_BODY_BYTES = 256 * 1024
"""The largest payload, 1,000 extension codes of 64 characters and encrypted, is below 100 KiB."""

_DRAIN_BYTES = 16 * 1024 * 1024


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """Return the body.

    What exceeds the limit is read for a while and discarded, because a response to a client that is still sending is
    often lost.

    Raises:
        RefusalError: it is larger than ``most``, in bytes.
    """
    body = bytearray()
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received <= most:
            body += piece
        elif received > max(most, _DRAIN_BYTES):
            break
    if received > most:
        raise RefusalError(Reason.BODY_TOO_LARGE)
    return bytes(body)

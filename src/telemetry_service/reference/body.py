"""Reads a request's body up to a bound."""

from starlette.requests import Request

from telemetry_service.reference.refusals import Reason, RefusalError

MAX_BODY_BYTES = 256 * 1024
"""The largest payload, 1,000 extension codes of 64 characters and encrypted, is below 100 KiB."""

_DRAIN_BYTES = 16 * 1024 * 1024


async def read_body(request: Request) -> bytes:
    """Return the body.

    What is beyond the bound is read on for a while and thrown away, because an answer to someone
    who is still sending is often lost.

    Raises:
        RefusalError: it is larger than ``MAX_BODY_BYTES``.
    """
    body = bytearray()
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received <= MAX_BODY_BYTES:
            body += piece
        elif received > _DRAIN_BYTES:
            break
    if received > MAX_BODY_BYTES:
        raise RefusalError(Reason.BODY_TOO_LARGE)
    return bytes(body)

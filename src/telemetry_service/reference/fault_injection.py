"""Carries a failure out: what the network and a broken server can do to an exchange."""

import asyncio
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from telemetry_service.reference.faults import Drop, Failure, Garbage, Hang, ResponseStatus, Slow
from telemetry_service.reference.refusals import Reason, problem


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 that hands each request its connection, so that a failure can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the connection where requests find it: in their state."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def strike(failure: Failure | None, request: Request) -> Response | None:
    """Carry ``failure`` out. Return the answer that it puts in place of the right one, or None to continue."""
    match failure:
        case None:
            return None
        case Slow(seconds=seconds):
            await asyncio.sleep(seconds)
            return None
        case ResponseStatus(status=status, retry_after=retry_after, location=location):
            headers = {"Retry-After": retry_after, "Location": location}
            stated = {name: value for name, value in headers.items() if value is not None}
            return problem(Reason.SWITCHED, status=status, headers=stated)
        case Garbage(status=status, content_type=content_type, body=body):
            return Response(body, status_code=status, headers={"Content-Type": content_type})
        case Hang():
            await _gone(request)
            return Response(status_code=204)
        case Drop():
            request.state.transport.abort()
            await _gone(request)
            return Response(status_code=204)
        case _:
            assert_never(failure)


async def _gone(request: Request) -> None:
    """Wait until the other side is gone; what is answered after that reaches no one."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""Injects failures: what the network and a broken server can do to an exchange."""

import asyncio
from http import HTTPStatus
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from telemetry_service.reference.faults import Drop, Failure, Garbage, Hang, ResponseStatus, Slow
from telemetry_service.reference.refusals import Reason, problem

_WITHOUT_CONTENT = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
"""A response with one of these has no content (RFC 9110, section 6.4.1); uvicorn closes the connection if it has."""


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 that passes each request its connection, so that a failure can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection into the state of its requests."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def strike(failure: Failure | None, request: Request) -> Response | None:
    """Inject ``failure``. Return its response instead of the regular one, or None to continue."""
    match failure:
        case None:
            return None
        case Slow(seconds=seconds):
            await asyncio.sleep(seconds)
            return None
        case ResponseStatus():
            return _stated(failure)
        case Garbage(status=status, content_type=content_type, body=body):
            content = None if status in _WITHOUT_CONTENT else body
            return Response(content, status_code=status, headers={"Content-Type": content_type})
        case Hang():
            await _gone(request)
            return Response(status_code=204)
        case Drop():
            request.state.transport.abort()
            await _gone(request)
            return Response(status_code=204)
        case _:
            assert_never(failure)


def _stated(failure: ResponseStatus) -> Response:
    headers = {"Retry-After": failure.retry_after, "Location": failure.location}
    given = {name: value for name, value in headers.items() if value is not None}
    if failure.status in _WITHOUT_CONTENT:
        return Response(status_code=failure.status, headers=given)
    return problem(Reason.SWITCHED, status=failure.status, headers=given)


async def _gone(request: Request) -> None:
    """Wait until the client has disconnected; a response after that is lost."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

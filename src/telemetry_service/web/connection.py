"""One connection of a caller: uvicorn's own, with refusals in our form and a bound on all that it leaves unbounded.

uvicorn answers what is no HTTP, and callers beyond its limit, in plain text; it waits for ever for a request that
begins and never ends; and at its limit it refuses the connections that it has rather than the new one.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.context import REQUEST_ID_HEADER, answering
from telemetry_service.web.problems import answer_to
from telemetry_service.web.refusals import OverloadedError, RequestMalformedError, RequestTooSlowError
from telemetry_service.web.request_ids import new_request_id
from telemetry_service.web.security_headers import ALWAYS

_BEFORE_AN_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)
_STILL_ARRIVING = (h11.IDLE, h11.SEND_BODY)


class CallerConnection(H11Protocol):
    """Speaks HTTP/1.1 with one caller; ``limit_concurrency`` is how many may be connected at once."""

    request_seconds: ClassVar[float] = 60
    """How long a request, body included, may take to arrive: 4 MiB over the slowest line that a service has."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Wait for the connection."""
        super().__init__(config, server_state, app_state, _loop)
        self._at_most = self.limit_concurrency
        self.limit_concurrency = None  # It is kept here, and not by uvicorn.
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse what is one too many."""
        super().connection_made(transport)
        if self._at_most is not None and len(self.connections) > self._at_most:
            self._refuse(OverloadedError())
        else:
            self._expect_request_within(self.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expect_nothing()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request, as long as the connection may idle and a request may take."""
        self._expect_request_within(self.timeout_keep_alive + self.request_seconds)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what the library says is not repeated
        """Answer what is no HTTP."""
        self._refuse(RequestMalformedError(()))

    def _should_upgrade(self) -> bool:
        """Never speak another protocol; and do not log two lines for whoever asks for one."""
        return False

    def _expect_request_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._end_if_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _end_if_late(self) -> None:
        if self.conn.their_state not in _STILL_ARRIVING:
            return
        begun = self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]
        if begun:
            self._refuse(RequestTooSlowError())
        else:
            self.transport.close()

    def _refuse(self, error: TelemetryError) -> None:
        """Answer where nothing was answered yet, and close."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says.
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # Whatever the application still says goes nowhere.
        if self.conn.our_state in _BEFORE_AN_ANSWER:
            with answering(new_request_id(), self.client[0] if self.client else None) as request:
                answer = answer_to(error)
            answer.headers[REQUEST_ID_HEADER] = request.request_id
            answer.headers.update({**ALWAYS, "Cache-Control": "no-store", "Connection": "close"})
            reason = HTTPStatus(answer.status_code).phrase.encode()
            head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=reason)
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

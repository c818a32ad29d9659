"""One connection of a caller: uvicorn's own, with our refusals and with limits where uvicorn has none.

uvicorn responds in plain text to what is not HTTP and to callers beyond its limit; it waits forever for a request that
never ends, and for a caller that never reads; it accepts any number of requests before the first response; and at its
limit it refuses its existing connections rather than the new one.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.request_errors import OverloadedError, RequestMalformedError, RequestTooSlowError
from telemetry_service.web.http.addresses import canonical
from telemetry_service.web.http.connection_limits import ConnectionCounter
from telemetry_service.web.http.early_refusals import early_refusal
from telemetry_service.web.http.measured_transport import MeasuredTransport
from telemetry_service.web.http.probes import Turns, only_probes
from telemetry_service.web.http.strict_connection import StrictConnection

_BEFORE_RESPONSE = (h11.IDLE, h11.SEND_RESPONSE)
_STILL_ARRIVING = (h11.IDLE, h11.SEND_BODY)

_PIECE_BYTES = 4096
"""What arrives is parsed in pieces of this size, so that little of it waits behind a request without a response."""

_PIPELINED_BYTES = 64 * 1024
"""Behind a request without a response yet. No current client sends requests before the response."""

_LEAST_READ_BYTES = 16 * 1024
"""What a caller must read at least within ``read_check_seconds`` if something is waiting: about 1 kB a second."""


# What uvicorn warns about is one of our events, with the address; its errors are logged as usual.
_LOG = logging.getLogger("uvicorn.error.connection")
_LOG.setLevel(logging.ERROR)


class CallerConnection(H11Protocol):
    """Serves HTTP/1.1 to one caller, within the limits that all callers share."""

    request_seconds: ClassVar[float] = 60
    """How long a request, including its body, may take to arrive: 4 MiB over the slowest expected line."""

    read_check_seconds: ClassVar[float] = 15
    """How often to check whether the caller reads. One that has not is cut off at the second check."""

    probe_seconds: ClassVar[float] = 3
    """How long a connection beyond the limits may take to send a probe."""

    def __init__(self, *, counter: ConnectionCounter, turns: Turns, **uvicorns: Any) -> None:  # noqa: ANN401 - its options
        super().__init__(**uvicorns)
        self.conn = StrictConnection()
        self.logger = _LOG
        self._counter = counter
        self._turns = turns
        self._beyond_limits = False
        self._next_request_waits = False
        self._unread_before = False
        self._taken_before = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start; a connection beyond the limits gets a response only to a probe."""
        self._measured = MeasuredTransport(transport)
        super().connection_made(cast("asyncio.Transport", self._measured))
        if self.client is not None:
            self.client = (canonical(self.client[0]), self.client[1])
        self._beyond_limits = not self._counter.admit(self, self._address)
        if self._beyond_limits:
            self.app = only_probes(self.app, self._turns.wait)
        self._expect_request_within(self.probe_seconds if self._beyond_limits else self.request_seconds)
        self._check = self.loop.call_later(self.read_check_seconds, self._check_whether_read)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expect_nothing()
        if self._check is not None:
            self._check.cancel()
        self._counter.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received data in pieces."""
        at = 0
        while at < len(data) and not self.transport.is_closing():
            size = len(data) if self._is_body_of_known_length() else _PIECE_BYTES
            super().data_received(data[at : at + size])
            at += size
            if self.flow.read_paused and len(self.conn.trailing_data[0]) > _PIPELINED_BYTES:
                self._cut_off_for("requests-pipelined")

    def on_response_complete(self) -> None:
        """Wait for the next request; one that has already arrived begins once the response before it was read."""
        self._measured.flush()
        if self.flow.write_paused and not self.transport.is_closing():
            self._expect_nothing()
            self._next_request_waits = True
            return
        self._await_next_request()

    def resume_writing(self) -> None:
        """Continue: the caller has read."""
        super().resume_writing()
        if self._next_request_waits:
            self._next_request_waits = False
            if self.conn.our_state in {h11.DONE, h11.MUST_CLOSE}:
                self._await_next_request()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's text is not repeated
        """Respond to something that is not HTTP."""
        self._refuse(RequestMalformedError(()))

    def cut_off(self) -> None:
        """End now; what was not read is discarded."""
        self._measured.cut_off()

    def _cut_off_for(self, code: str) -> None:
        log_event(Event.CONNECTION_CUT_OFF, address=self._address, code=code)
        self.cut_off()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _is_body_of_known_length(self) -> bool:
        arriving = self.conn.their_state is h11.SEND_BODY
        return arriving and not any(name == b"transfer-encoding" for name, _value in self.headers)

    def _await_next_request(self) -> None:
        """Wait as long as the connection may idle and a request may take."""
        self._expect_request_within(self.timeout_keep_alive + self.request_seconds)
        super().on_response_complete()

    def _check_whether_read(self) -> None:
        """Cut off a caller that has not read what was waiting at the last check, even if it was to be closed."""
        unread, taken = self._measured.unread > 0, self._measured.taken
        if unread and self._unread_before and taken - self._taken_before < _LEAST_READ_BYTES:
            self._cut_off_for("response-not-read")
            return
        self._unread_before, self._taken_before = unread, taken
        self._check = self.loop.call_later(self.read_check_seconds, self._check_whether_read)

    def _expect_request_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._end_if_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _end_if_late(self) -> None:
        if self.conn.their_state not in _STILL_ARRIVING:
            return
        if self._beyond_limits:
            self._refuse(OverloadedError())
        elif self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._refuse(RequestTooSlowError())
        else:
            self.transport.close()

    def _refuse(self, error: TelemetryError) -> None:
        """Respond if there was no response yet, and close."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says.
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # Whatever the application still sends is discarded.
        if self.conn.our_state in _BEFORE_RESPONSE:
            response = early_refusal(error, self._address)
            reason = HTTPStatus(response.status_code).phrase.encode()
            head = h11.Response(status_code=response.status_code, headers=response.raw_headers, reason=reason)
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

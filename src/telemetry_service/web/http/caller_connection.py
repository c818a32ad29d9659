"""One connection of a caller: uvicorn's own, with refusals in our form and a bound on all that it leaves unbounded.

uvicorn answers what is no HTTP, and callers beyond its limit, in plain text; it waits permanently for a request that
begins and never ends, and for a caller that never reads; it takes any number of requests before the first is answered;
and at its limit it refuses the connections that it has rather than the new one.
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

_BEFORE_AN_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)
_STILL_ARRIVING = (h11.IDLE, h11.SEND_BODY)

_PIECE_BYTES = 4096
"""A head is parsed as it arrives in such pieces, so that its bound is kept however much of it arrives at once."""

_PIPELINED_BYTES = 64 * 1024
"""Behind a request that is not answered yet. No client of today sends requests before the answer at all."""

_LEAST_READ_BYTES = 16 * 1024
"""What a caller for whom something waits reads in ``read_check_seconds`` at least: about 1 kB a second."""


# What uvicorn warns of is an event of ours, with the address; its errors are logged as ever.
_LOG = logging.getLogger("uvicorn.error.connection")
_LOG.setLevel(logging.ERROR)


class CallerConnection(H11Protocol):
    """Speaks HTTP/1.1 with one caller, within the limits that all callers share."""

    request_seconds: ClassVar[float] = 60
    """How long a request, body included, may take to arrive: 4 MiB over the slowest line that a service has."""

    read_check_seconds: ClassVar[float] = 15
    """How often it is looked whether the caller reads. One who has not is cut off at the second look."""

    probe_seconds: ClassVar[float] = 3
    """How long a connection beyond the limits may take to say that it is a probe."""

    def __init__(self, *, counter: ConnectionCounter, turns: Turns, **uvicorns: Any) -> None:  # noqa: ANN401 - its options
        super().__init__(**uvicorns)
        self.logger = _LOG
        self._counter = counter
        self._turns = turns
        self._beyond_limits = False
        self._next_request_waits = False
        self._unread_before = False
        self._taken_before = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; on a connection beyond the limits nothing but a probe is answered."""
        self._measured = MeasuredTransport(transport)
        super().connection_made(cast("asyncio.Transport", self._measured))
        if self.client is not None:
            self.client = (canonical(self.client[0]), self.client[1])
        self._beyond_limits = not self._counter.admit(self, self._address)
        if self._beyond_limits:
            self.app = only_probes(self.app, self._turns.wait)
        self._expect_request_within(self.probe_seconds if self._beyond_limits else self.request_seconds)
        self._look = self.loop.call_later(self.read_check_seconds, self._look_whether_read)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expect_nothing()
        if self._look is not None:
            self._look.cancel()
        self._counter.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrives, in pieces that keep the bound of a head true."""
        at = 0
        while at < len(data) and not self.transport.is_closing():
            size = len(data) if self._is_body_of_known_length() else _PIECE_BYTES
            super().data_received(data[at : at + size])
            at += size
            if self.flow.read_paused and len(self.conn.trailing_data[0]) > _PIPELINED_BYTES:
                self._cut_off_for("requests-pipelined")

    def on_response_complete(self) -> None:
        """Wait for the next request; one that is there already is begun when the answer before it was read."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._expect_nothing()
            self._next_request_waits = True
            return
        self._await_next_request()

    def resume_writing(self) -> None:
        """Go on: the caller has read."""
        super().resume_writing()
        if self._next_request_waits:
            self._next_request_waits = False
            if self.conn.our_state in {h11.DONE, h11.MUST_CLOSE}:
                self._await_next_request()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what the library says is not repeated
        """Answer what is no HTTP."""
        self._refuse(RequestMalformedError(()))

    def cut_off(self) -> None:
        """End now: what was not read is thrown away."""
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

    def _look_whether_read(self) -> None:
        """Cut off a caller who has left unread what was there at the last look, however the connection was to go on."""
        unread, taken = self._measured.unread > 0, self._measured.taken
        if unread and self._unread_before and taken - self._taken_before < _LEAST_READ_BYTES:
            self._cut_off_for("response-not-read")
            return
        self._unread_before, self._taken_before = unread, taken
        self._look = self.loop.call_later(self.read_check_seconds, self._look_whether_read)

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
        """Answer where nothing was answered yet, and close."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says.
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # Whatever the application still says goes nowhere.
        if self.conn.our_state in _BEFORE_AN_ANSWER:
            response = early_refusal(error, self._address)
            reason = HTTPStatus(response.status_code).phrase.encode()
            head = h11.Response(status_code=response.status_code, headers=response.raw_headers, reason=reason)
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

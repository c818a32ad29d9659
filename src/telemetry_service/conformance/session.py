"""One run against one License Server: the customer, the clock, every exchange so far, and what was accepted."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from telemetry_service.conformance.message import Customer, Message
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import Clock, time_ordered_id
from telemetry_service.license_server.exchange import WholeResponse
from telemetry_service.license_server.probe import Probe
from telemetry_service.license_server.response import members_of
from telemetry_service.sealing.receipt import ReceiptKeys

LEDGER_HEAD = "5c" * 32
"""What the checks report as the head of a ledger."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A message and what came back: a response, or the reason why there was none."""

    message: Message
    response: WholeResponse | Cause
    at: datetime

    @property
    def status(self) -> int | None:
        """The status; None if there was no response."""
        return None if isinstance(self.response, Cause) else self.response.status

    @property
    def members(self) -> dict[str, Any]:
        """The members of the response, as the service reads them; none if it is not a JSON object."""
        return {} if isinstance(self.response, Cause) else dict(members_of(self.response.body))

    @property
    def accepted(self) -> bool:
        """Whether it is an acceptance."""
        return self.status == 200 and self.members.get("status") in {"accepted", "duplicate"}  # noqa: PLR2004 - OK


@dataclass
class Session:
    """What every check works with."""

    probe: Probe
    customer: Customer
    clock: Clock
    receipt_keys: ReceiptKeys | None = None
    former_api_key: str | None = field(default=None, repr=False)
    """A key that the customer had before."""
    other_customer: Customer | None = None
    """Another test customer."""
    bundle_path: str | None = None
    """Where bundles are taken in, below the base URL."""
    exchanged: list[Exchanged] = field(default_factory=list)

    def now(self, offset: timedelta = timedelta(0)) -> datetime:
        """Return the present moment, or one ``offset`` from it."""
        return self.clock.now() + offset

    def send(self, message: Message) -> Exchanged:
        """Send a message."""
        exchanged = Exchanged(message, self.probe.post(message.path, message.headers, message.body), self.now())
        self.exchanged.append(exchanged)
        return exchanged

    def send_bundle(self, path: str, body: bytes) -> Exchanged:
        """Send a file to the place where bundles are taken in."""
        headers = (("Content-Type", "application/json"),)
        return self.send(Message(time_ordered_id(self.now()), path, headers, body))

    def transmit(
        self,
        transmission_id: UUID | None = None,
        *,
        encrypted: bool = True,
        **changes: Any,  # noqa: ANN401 - any JSON value
    ) -> Exchanged:
        """Send a valid transmission, except for ``changes`` of its payload."""
        now = self.now()
        payload = self.customer.payload(now, **changes)
        return self.send(self.customer.transmission(now, payload, transmission_id=transmission_id, encrypted=encrypted))

    @cached_property
    def first(self) -> Exchanged:
        """A valid transmission with the head of a ledger: several checks look at the response."""
        now = self.now()
        message = self.customer.transmission(now, self.customer.payload(now))
        return self.send(message.but("X-Telemetry-Ledger", LEDGER_HEAD))

    @cached_property
    def again(self) -> Exchanged:
        """The first transmission again: the same body, under a new timestamp and signature."""
        sent = self.first.message
        body, content_type = sent.body, sent.header("Content-Type")
        return self.send(
            self.customer.signed(
                self.now(timedelta(seconds=1)), body, content_type, transmission_id=sent.transmission_id
            )
        )

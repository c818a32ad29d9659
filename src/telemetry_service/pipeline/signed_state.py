"""What the row of a transmission must say of its delivery, by the signed lines about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import SENDABLE_STATES, AttemptTrigger, State, Transmission

_COMPARED = SENDABLE_STATES | {State.SUCCESS}
"""Whether a transmission waits for its release, or was withdrawn, is compared with its lines in another way."""
_REFUSED_HERE = {Cause.PAYLOAD_CHANGED.value: State.HELD, Cause.PAYLOAD_INVALID.value: State.REJECTED}


@dataclass(frozen=True, slots=True)
class SignedState:
    """The outcome that a row shows."""

    state: State
    cause: Cause | None = None
    response_code: int | None = None


_PENDING = SignedState(State.PENDING)


def agrees(transmission: Transmission, said: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a row shows the outcome that its lines, oldest first, lead to.

    What a version without a ledger left is not known: such a row is compared once an attempt has ended since.
    """
    signed = signed_state(said)
    if signed is None or transmission.state not in _COMPARED:
        return True
    return signed == SignedState(transmission.state, transmission.cause, transmission.response_code)


def signed_state(said: Iterable[Mapping[str, Any]]) -> SignedState | None:
    """Return what lines, oldest first, lead to; None if that is not known."""
    reading = _Reading()
    for claims in said:
        reading.take(claims)
    return reading.state


class _Reading:
    """Follows the lines as the service has followed the events."""

    def __init__(self) -> None:
        self.state: SignedState | None = None
        self._latest: int | None = None
        """The attempt whose outcome counts: that of an earlier one came too late, unless it is an acceptance."""

    def take(self, said: Mapping[str, Any]) -> None:
        if self.state is not None and self.state.state in {State.SUCCESS, State.WITHDRAWN}:
            return
        kind = said["kind"]
        if kind == Kind.ATTEMPT:
            self._attempt(said)
        elif kind == Kind.ANSWERED:
            self._answer(said)
        elif kind in {Kind.RELEASED, Kind.APPROVED} or (kind == Kind.PREPARED and said.get("replaces") is None):
            self.state, self._latest = _PENDING, None
        elif kind == Kind.VERIFY_FAILED:
            self._refused(said)
        elif kind == Kind.ACCEPTED_WITHOUT_RECEIPT and self.state is not None:
            self.state = replace(self.state, state=State.SUCCESS, cause=None)
        elif kind == Kind.WITHDRAWN:
            self.state = SignedState(State.WITHDRAWN)
        elif kind == Kind.AWAITING_RELEASE:
            self.state, self._latest = SignedState(State.AWAITING_RELEASE, Cause.FROM_BACKUP), None

    def _attempt(self, said: Mapping[str, Any]) -> None:
        self._latest = said["number"]
        if said["trigger"] == AttemptTrigger.BUNDLE:
            self.state = SignedState(State.EXPORTED)

    def _answer(self, said: Mapping[str, Any]) -> None:
        if said["state"] == State.SUCCESS or said["number"] == self._latest:
            cause = None if said["cause"] is None else Cause(said["cause"])
            self.state = SignedState(State(said["state"]), cause, said["code"])

    def _refused(self, said: Mapping[str, Any]) -> None:
        """Take over why the service itself sends it no more; the response to the attempt before stays."""
        state = _REFUSED_HERE.get(str(said.get("cause")))
        if state is not None and self.state is not None:
            self.state, self._latest = replace(self.state, state=state, cause=Cause(said["cause"])), None

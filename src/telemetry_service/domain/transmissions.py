"""A transmission is the message, an attempt is one try to deliver it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.outcome import (
    Accepted,
    Failure,
    Held,
    Outcome,
    Rejected,
    Retrying,
    may_have_arrived,
    request_written,
)

LEASE = timedelta(minutes=2)
"""How long a claim lasts: several times the deadline of an exchange, so that only a crash lets it expire."""

LONGEST_CLAIM = 2 * LEASE
"""A claim that seems to last longer was made by a wrong clock, and is void. The clocks of two replicas may differ by a
whole lease before one of them mistakes the other's claim for a void one."""


class State(StrEnum):
    """The life cycle of a transmission."""

    PENDING = "pending"
    SUCCESS = "success"
    RETRYING = "retrying"
    HELD = "held"
    REJECTED = "rejected"
    EXPORTED = "exported"
    """In a bundle; its receipt has not been imported yet."""
    AWAITING_RELEASE = "awaiting_release"
    """Kept until a person releases it, or the notice of a new field is over."""
    WITHDRAWN = "withdrawn"
    """Never sent from then on. Its counts are in no other payload; its extension codes are included in the next one,
    unless they may have arrived."""


class Status(StrEnum):
    """The status of a transmission. For *failed*, `state` has the details."""

    PENDING = "pending"
    WAITING = "waiting"
    """It waits for its release."""
    SUCCESS = "success"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


FAILED_STATES = frozenset({State.RETRYING, State.HELD, State.REJECTED})
SENDABLE_STATES = FAILED_STATES | {State.PENDING, State.EXPORTED}
"""Of such a transmission, an attempt may be made: a deployment that is online again waits for no bundle's receipts."""
FINAL_STATES = frozenset({State.SUCCESS, State.WITHDRAWN})
"""Nothing more happens to such a transmission; retention deletes it."""

NEVER_SENT_AS_IT_IS = frozenset({Cause.PAYLOAD_CHANGED, Cause.PAYLOAD_INVALID})
NEVER_ACCEPTED_AS_IT_IS = NEVER_SENT_AS_IT_IS | {Cause.ID_CONFLICT}
"""Nothing but a withdrawal ends the waiting of such a payload, although the License Server may have it."""
"""Why no attempt is made of a payload, whatever the License Server says."""

NOT_WOKEN_BY_A_RUN = frozenset({Cause.PAYLOAD_CHANGED, Cause.RECEIPT_MISSING})
"""Why a held transmission stays held whatever the schedule does: each of these names its own way out."""


class Trigger(StrEnum):
    """What started a transmission."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"


class AttemptTrigger(StrEnum):
    """What started an attempt."""

    TICK = "tick"
    BACK_OFF = "back_off"
    RETRY = "retry"
    SEND_NOW = "send_now"
    RELEASED = "released"
    CONNECTION_CHANGED = "connection_changed"
    BUNDLE = "bundle"


LONGEST_PAGE = 500
"""The most transmissions that a page of the history has, by REST and on the command line."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which transmissions a history shows; None does not filter. Days are UTC and inclusive."""

    status: Status | None = None
    trigger: Trigger | None = None
    from_day: date | None = None
    to_day: date | None = None
    changed_after: int | None = None
    """Only those with an entry of the ledger above this number."""
    state: State | None = None


def status_of(state: State) -> Status:
    """Return the guide's word for a state."""
    if state in FAILED_STATES:
        return Status.FAILED
    return _STATUSES.get(state) or Status(state.value)


_STATUSES = {State.EXPORTED: Status.PENDING, State.AWAITING_RELEASE: Status.WAITING}


def state_after(outcome: Outcome) -> State:
    """Return the state that an outcome leads to."""
    match outcome:
        case Accepted():
            return State.SUCCESS
        case Retrying():
            return State.RETRYING
        case Held():
            return State.HELD
        case Rejected():
            return State.REJECTED
        case _:
            assert_never(outcome)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver. What it sent is kept as evidence under these digests (``docs/proof.md``)."""

    number: int
    trigger: AttemptTrigger
    started_at: datetime
    finished_at: datetime | None
    transmitted_at: str
    timestamp: int
    """Unix seconds, as in ``X-Telemetry-Timestamp``."""
    payload_sha256: str
    """Hex digest of the canonical payload, ``transmitted_at`` included."""
    body_sha256: str
    """Hex digest of the exact bytes sent; equals ``payload_sha256`` if the payload was not encrypted."""
    body_bytes: int
    encrypted: bool
    key_id: str
    state: State
    cause: Cause | None
    response_code: int | None
    duplicate: bool
    duration_ms: int | None

    @property
    def request_written(self) -> bool | None:
        """Whether its request was written; None if its cause does not show it, or it has not ended yet."""
        return request_written(self.cause, self.response_code)

    @property
    def may_have_arrived(self) -> bool:
        """Whether the License Server may have the payload because of it."""
        return may_have_arrived(self.cause, self.response_code)


@dataclass(frozen=True, slots=True)
class Transmission:
    """One period's payload and the state of its delivery."""

    transmission_id: UUID
    sequence: int
    period_id: int
    period_opened_at: datetime
    period_closed_at: datetime
    trigger: Trigger
    state: State
    prepared_sha256: str
    """Hex digest of the canonical payload without ``transmitted_at``."""
    records_sent: int
    created_at: datetime
    next_attempt_at: datetime | None
    claimed_until: datetime | None
    attempts_made: int
    accepted_at: datetime | None
    withdrawn_at: datetime | None
    cause: Cause | None
    response_code: int | None
    receipt: str | None
    last_attempt_at: datetime | None
    last_duration_ms: int | None

    @property
    def status(self) -> Status:
        """The guide's word for its state."""
        return status_of(self.state)

    def in_flight(self, now: datetime) -> bool:
        """Whether it is being sent now."""
        if self.state not in SENDABLE_STATES or self.claimed_until is None:
            return False
        return now < self.claimed_until <= now + LONGEST_CLAIM


@dataclass(frozen=True, slots=True)
class UnreadableTransmission:
    """A transmission whose row holds what this service never writes."""

    sequence: int
    transmission_id: UUID | None
    """None if that is what cannot be read."""
    column: str
    """The column that cannot be read, with its table."""


@dataclass(frozen=True, slots=True)
class LastExchange:
    """The latest attempt or connection test."""

    at: datetime
    ok: bool
    cause: Cause | None
    sequence: int
    """Its place in the order of events. ``at`` is what the clock showed, which may be wrong."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What is known about past deliveries: input of the health and of the payload's posture."""

    last_attempt: LastExchange | None
    last_test: LastExchange | None
    last_accepted_at: datetime | None
    accepted_sequence: int | None = None
    """The place of the last acceptance in the order of attempts, connection tests and ticks."""
    connection_sequence: int = 0
    """The place at which the API key or the connection changed."""

    @property
    def last_exchange(self) -> LastExchange | None:
        """The later of the last attempt and the last connection test, by their sequence and never by a clock.

        None if both used another API key or connection: they say nothing about the present one.
        """
        exchanges = [e for e in (self.last_attempt, self.last_test) if e is not None]
        latest = max(exchanges, key=lambda e: e.sequence, default=None)
        return latest if latest is not None and latest.sequence > self.connection_sequence else None


def nothing_can_have_arrived(attempts: Iterable[Attempt]) -> bool:
    """Whether none of the attempts can have brought the payload to the License Server, so that it may still change."""
    return not any(attempt.may_have_arrived for attempt in attempts)


def cause_of(outcome: Outcome) -> Cause | None:
    """Return why an outcome is not an acceptance, or None if it is."""
    return outcome.cause if isinstance(outcome, Failure) else None

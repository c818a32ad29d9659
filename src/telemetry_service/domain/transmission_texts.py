"""The texts about one transmission: in its history row, in its drawer, in the REST API and on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from telemetry_service.domain.causes import EXPLANATIONS, PASSING, WAITS_FOR_A_PERSON, Cause, step_after
from telemetry_service.domain.health_texts import TEST_AGAIN, planned, retried
from telemetry_service.domain.obstacles import IN_BUNDLES, Obstacle, bars_attempts, bars_release
from telemetry_service.domain.owner import NOTHING_TO_DO, Owner
from telemetry_service.domain.phrases import to_come
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmissions import (
    FAILED_STATES,
    NEVER_ACCEPTED_AS_IT_IS,
    NOT_WOKEN_BY_A_RUN,
    State,
    Transmission,
)

RETRY = "Click Retry."


class RowStatus(StrEnum):
    """The status in a row. The guide's two are *Success* and *Failed*; the others come before either, or instead."""

    PENDING = "pending"
    WAITING = "waiting"
    SENDING = "sending"
    SUCCESS = "success"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class CauseTexts:
    """Why something failed, and what can be done now."""

    code: Cause
    sentence: str
    next_step: str
    owner: Owner


@dataclass(frozen=True, slots=True)
class TransmissionTexts:
    """The texts about one transmission."""

    status: RowStatus
    finer: str
    """The finer state in a few words; empty where the status says all."""
    note: str
    """When it is tried again, short enough for a row; empty if it is not."""
    next_attempt_at: datetime | None
    """None if no attempt is planned."""
    next_attempt_note: str | None
    """What the next attempt waits for if it has no time; None if it has one or needs none."""
    cause: CauseTexts | None
    retry_barred: Obstacle | None
    can_retry: bool
    """Whether it can be retried in principle, even if something bars that now."""
    can_release: bool = False
    """Whether it waits for its release."""
    release_barred: Obstacle | None = None
    """Why it cannot be released now."""
    lacks_receipt: bool = False
    """Whether an administrator may accept it without a receipt."""

    @property
    def in_flight(self) -> bool:
        """Whether it is being sent, or about to be."""
        return self.status is RowStatus.SENDING


@dataclass(frozen=True, slots=True)
class DescribedTransmission:
    """A transmission, with its texts in the situation in which it was read."""

    transmission: Transmission
    texts: TransmissionTexts
    receipt_verified: bool | None
    """Whether its receipt was verified just now; None if no key is pinned, or it is not accepted yet."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the texts about a transmission depend on."""

    state: State
    cause: Cause | None
    planned_at: datetime | None
    claimed: bool
    """Whether it is being sent now."""


def row_of(transmission: Transmission, now: datetime) -> Row:
    """Return a transmission at ``now``."""
    return Row(
        transmission.state, transmission.cause, transmission.next_attempt_at, claimed=transmission.in_flight(now)
    )


def describe(transmission: Transmission, situation: Situation, receipts: Mapping[UUID, bool]) -> DescribedTransmission:
    """Return a transmission with its texts in a situation; ``receipts`` says which are verified."""
    verified = receipts.get(transmission.transmission_id)
    return DescribedTransmission(transmission, texts_about(transmission, situation), verified)


def texts_about(transmission: Transmission, situation: Situation) -> TransmissionTexts:
    """Return the texts about a transmission in a situation."""
    return texts_of(row_of(transmission, situation.now), situation)


def texts_of(row: Row, situation: Situation) -> TransmissionTexts:
    """Return the texts about a transmission in a situation."""
    bar = bars_attempts(situation.setup)
    status = _status(row, situation, bar)
    if status in _WITHOUT_ATTEMPTS:
        return _without_attempts(row, situation, status)
    waits = status in {RowStatus.PENDING, RowStatus.FAILED}
    again = situation.next_attempt(row.planned_at) if waits else None
    return TransmissionTexts(
        status=status,
        finer=_finer(row, bar, again) if waits else "",
        note=_note(row, situation, bar, again) if waits else "",
        next_attempt_at=again,
        next_attempt_note=_next_attempt_note(row, situation, bar, again) if waits else None,
        cause=_cause(row, situation, bar, again),
        retry_barred=bar,
        can_retry=row.state in FAILED_STATES and status is RowStatus.FAILED,
        lacks_receipt=row.cause is Cause.RECEIPT_MISSING and status is RowStatus.FAILED,
    )


_WITHOUT_ATTEMPTS = frozenset({RowStatus.WAITING, RowStatus.WITHDRAWN})
"""No attempt is made of such a transmission."""


def _without_attempts(row: Row, situation: Situation, status: RowStatus) -> TransmissionTexts:
    waits, off = status is RowStatus.WAITING, bars_release(situation.setup)
    barred = bars_attempts(situation.setup)
    until = row.planned_at if waits and barred is None else None
    return TransmissionTexts(
        status=status,
        finer=_MAY_HAVE_ARRIVED if not waits and row.cause in NEVER_ACCEPTED_AS_IT_IS else _STATES[row.state],
        note=_release_note(until, situation, off) if waits else "",
        next_attempt_at=until,
        next_attempt_note="Once it is released." if waits and until is None else None,
        cause=_cause_of_wait(row, situation) if waits else None,
        retry_barred=barred,
        can_retry=False,
        can_release=waits,
        release_barred=off if waits else None,
    )


def _cause_of_wait(row: Row, situation: Situation) -> CauseTexts | None:
    """Return why it is not just released, if there is more to it than the policy of the deployment."""
    if row.cause is None:
        return None
    step, owner = step_after(row.cause, key_locked=situation.setup.key_locked)
    if row.cause is Cause.PAYLOAD_CHANGED:
        step = _DECIDE
    return CauseTexts(row.cause, EXPLANATIONS[row.cause].sentence, step, owner)


_DECIDE = (
    "Find out who changed the database, and restore it from a backup. Then release the payload, or withdraw it unless"
    " it was accepted."
)


def _release_note(until: datetime | None, situation: Situation, off: Obstacle | None) -> str:
    if off is not None:
        return f"can be released {off.until}"
    if until is None:
        return "for its release"
    return f"for its release, or sent {to_come(until, situation.now)}"


def _status(row: Row, situation: Situation, bar: Obstacle | None) -> RowStatus:
    if row.state in _UNTRIED_OR_ENDED:
        return _UNTRIED_OR_ENDED[row.state]
    again = situation.next_attempt(row.planned_at)
    first_is_due = row.state is State.PENDING and bar is None and again is not None and again <= situation.now
    if row.claimed or first_is_due:
        return RowStatus.SENDING
    return RowStatus.FAILED if row.state in FAILED_STATES else RowStatus.PENDING


_UNTRIED_OR_ENDED = {
    State.SUCCESS: RowStatus.SUCCESS,
    State.AWAITING_RELEASE: RowStatus.WAITING,
    State.WITHDRAWN: RowStatus.WITHDRAWN,
}


def _finer(row: Row, bar: Obstacle | None, again: datetime | None) -> str:
    state = _STATES[row.state]
    if row.cause in WAITS_FOR_A_PERSON or (row.state is State.EXPORTED and again is None):
        return state
    if bar is not None:
        return f"{state}; kept and sent {bar.until}"
    if row.state is State.RETRYING and again is not None:
        return "retrying automatically"
    return state


_STATES = {
    State.PENDING: "waiting for its first attempt",
    State.SUCCESS: "",
    State.RETRYING: "not accepted yet",
    State.HELD: "on hold",
    State.REJECTED: "rejected",
    State.EXPORTED: "exported; waiting for its receipt",
    State.AWAITING_RELEASE: "waiting for its release",
    State.WITHDRAWN: "never sent; its counts are not reported",
}
_MAY_HAVE_ARRIVED = "not sent again; the License Server may have it"
"""A withdrawn payload that could no longer be sent, of which an earlier attempt may have arrived."""


def _note(row: Row, situation: Situation, bar: Obstacle | None, again: datetime | None) -> str:
    if again is None and (row.cause in WAITS_FOR_A_PERSON or row.state is State.EXPORTED):
        return _STATES[row.state]
    if bar is not None:
        return f"sent {bar.until}"
    if again is not None:
        return f"next attempt {to_come(again, situation.now)}"
    if row.cause in NOT_WOKEN_BY_A_RUN:
        return f"{_STATES[row.state]}; see Error Details"
    state = "" if row.state is State.PENDING else f"{_STATES[row.state]}; "
    return f"{state}retries at next run"


def _next_attempt_note(row: Row, situation: Situation, bar: Obstacle | None, again: datetime | None) -> str | None:
    if row.state is State.EXPORTED and again is None:
        return "None scheduled; import its receipt, or export it again."
    if bar is not None:
        return f"None scheduled; it is sent {bar.until}."
    if again is not None:
        return None
    if row.cause in NOT_WOKEN_BY_A_RUN:
        return "When you click Retry."
    run = planned(situation.run_sends_at, situation.now)
    if row.state is State.HELD:
        return f"When the API key or the connection changes, when you click Retry, or at the next run, {run}."
    return f"When you click Retry, or at the next run, {run}."


def _cause(row: Row, situation: Situation, bar: Obstacle | None, again: datetime | None) -> CauseTexts | None:
    if row.cause is None or row.state is State.SUCCESS:
        return None
    step, owner = step_after(row.cause, key_locked=situation.setup.key_locked)
    if row.claimed:
        step, owner = f"{NOTHING_TO_DO} It is being sent again.", Owner.NOBODY
    elif bar is IN_BUNDLES and row.cause not in PASSING:
        step = f"{step} Then export a new bundle."
    elif bar is not None and row.cause not in WAITS_FOR_A_PERSON:
        step, owner = bar.next_step, bar.owner
    elif again is not None and _passes(row.cause, situation):
        step, owner = f"{NOTHING_TO_DO} {retried(again, situation.now)}", Owner.NOBODY
    elif row.cause in PASSING:
        step, owner = RETRY, Owner.ADMINISTRATOR
    return CauseTexts(row.cause, EXPLANATIONS[row.cause].sentence, step, owner)


def _passes(cause: Cause, situation: Situation) -> bool:
    """Whether a planned attempt is enough: no later exchange failed in a way that needs a person."""
    latest = situation.exchange
    return cause in PASSING or latest is None or latest.ok or latest.cause in PASSING


def cause_of_check(cause: Cause | None, *, key_locked: bool) -> CauseTexts | None:
    """Return the texts about a connection test that failed for ``cause``; only a person repeats it."""
    if cause is None:
        return None
    step, owner = TEST_AGAIN if cause in PASSING else step_after(cause, key_locked=key_locked)
    return CauseTexts(cause, EXPLANATIONS[cause].sentence, step, owner)

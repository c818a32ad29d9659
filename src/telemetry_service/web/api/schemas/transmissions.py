"""The answers about transmissions."""

import json
from typing import Any
from uuid import UUID

from telemetry_service.domain.outcome import EXPLANATIONS, Cause
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import RowStatus, row_of, texts_of
from telemetry_service.domain.transmissions import Attempt, AttemptTrigger, State, Status, Transmission, Trigger
from telemetry_service.pipeline.queries.history import HistoryPage, TransmissionDetail
from telemetry_service.web.api.schemas.base import Moment, ResponseModel
from telemetry_service.web.api.schemas.configuration import CauseResponse


class TransmissionResponse(ResponseModel):
    """A transmission as the history lists it."""

    transmission_id: UUID
    status: Status
    state: State
    """The detailed state: a *failed* transmission is retrying, held, or rejected."""
    trigger: Trigger
    period_opened_at: Moment
    period_closed_at: Moment
    records_sent: int
    """Audit events that the payload counts."""
    response_code: int | None
    note: str
    """The detailed state or the next attempt, in a few words; may be empty."""
    cause: CauseResponse | None
    attempts_made: int
    in_flight: bool
    created_at: Moment
    last_attempt_at: Moment | None
    last_duration_ms: int | None
    next_attempt_at: Moment | None
    """Null if no attempt is scheduled."""
    next_attempt_note: str | None
    """What the next attempt waits for, if it is not scheduled."""
    accepted_at: Moment | None
    receipt_verified: bool | None
    """Null if no License Server key is pinned or the transmission is not accepted yet."""

    @classmethod
    def of(cls, transmission: Transmission, situation: Situation) -> "TransmissionResponse":
        """Return the answer for a transmission in a situation."""
        return cls(**_members(transmission, situation))


class AttemptCauseResponse(ResponseModel):
    """Why an attempt was not accepted. What can be done now depends on the transmission."""

    code: Cause
    sentence: str


class AttemptResponse(ResponseModel):
    """One try to deliver a transmission."""

    number: int
    trigger: AttemptTrigger
    state: State
    """The state it led to."""
    cause: AttemptCauseResponse | None
    response_code: int | None
    duplicate: bool
    """True if the License Server had already received it."""
    request_written: bool | None
    """False if the attempt ended before anything was sent; null if unknown."""
    started_at: Moment
    finished_at: Moment | None
    duration_ms: int | None
    transmitted_at: str
    timestamp: int
    """Unix seconds, as signed."""
    encrypted: bool
    key_id: str
    payload_sha256: str
    body_sha256: str
    body_bytes: int

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptResponse":
        """Return the answer for an attempt."""
        return cls(
            number=attempt.number,
            trigger=attempt.trigger,
            state=attempt.state,
            cause=_cause_of(attempt),
            response_code=attempt.response_code,
            duplicate=attempt.duplicate,
            request_written=attempt.request_written,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            duration_ms=attempt.duration_ms,
            transmitted_at=attempt.transmitted_at,
            timestamp=attempt.timestamp,
            encrypted=attempt.encrypted,
            key_id=attempt.key_id,
            payload_sha256=attempt.payload_sha256,
            body_sha256=attempt.body_sha256,
            body_bytes=attempt.body_bytes,
        )


class TransmissionDetailResponse(TransmissionResponse):
    """A transmission with its payload and every attempt."""

    payload: dict[str, Any]
    """As stored; each attempt adds its own `transmitted_at`."""
    receipt: str | None
    attempts: tuple[AttemptResponse, ...]

    @classmethod
    def of_detail(cls, detail: TransmissionDetail) -> "TransmissionDetailResponse":
        """Return the answer for a transmission with its attempts."""
        transmission = detail.transmission
        return cls(
            **_members(transmission, detail.situation),
            payload=json.loads(transmission.payload),
            receipt=transmission.receipt,
            attempts=tuple(AttemptResponse.of(attempt) for attempt in detail.attempts),
        )


class HistoryResponse(ResponseModel):
    """A page of the history, newest first, and the cursor of the next one."""

    transmissions: tuple[TransmissionResponse, ...]
    next_cursor: str | None

    @classmethod
    def of(cls, page: HistoryPage) -> "HistoryResponse":
        """Return the answer for a page."""
        found = tuple(TransmissionResponse.of(transmission, page.situation) for transmission in page.items)
        return cls(transmissions=found, next_cursor=page.next_cursor)


class RetriedResponse(ResponseModel):
    """The retried transmissions, after their attempts."""

    transmissions: tuple[TransmissionDetailResponse, ...]


def _cause_of(attempt: Attempt) -> AttemptCauseResponse | None:
    if attempt.cause is None:
        return None
    return AttemptCauseResponse(code=attempt.cause, sentence=EXPLANATIONS[attempt.cause].sentence)


def _members(transmission: Transmission, situation: Situation) -> dict[str, Any]:
    words = texts_of(row_of(transmission, situation.now), situation)
    return {
        "transmission_id": transmission.transmission_id,
        "status": transmission.status,
        "state": transmission.state,
        "trigger": transmission.trigger,
        "period_opened_at": transmission.period_opened_at,
        "period_closed_at": transmission.period_closed_at,
        "records_sent": transmission.records_sent,
        "response_code": transmission.response_code,
        "note": words.note,
        "cause": CauseResponse.of(words.cause),
        "attempts_made": transmission.attempts_made,
        "in_flight": words.status is RowStatus.SENDING,
        "created_at": transmission.created_at,
        "last_attempt_at": transmission.last_attempt_at,
        "last_duration_ms": transmission.last_duration_ms,
        "next_attempt_at": words.next_attempt_at,
        "next_attempt_note": words.next_attempt_note,
        "accepted_at": transmission.accepted_at,
        "receipt_verified": transmission.receipt_verified,
    }

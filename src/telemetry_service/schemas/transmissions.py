"""Transmissions and their attempts."""

from typing import Annotated
from uuid import UUID

from pydantic import AliasGenerator, AliasPath, BeforeValidator, ConfigDict

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.payload_schemas.difference import ChangeKind
from telemetry_service.domain.stored_payload import read_stored
from telemetry_service.domain.transmissions import AttemptTrigger, State, Status, Trigger
from telemetry_service.schemas.base import CauseResponse, Moment, PayloadObject, ResponseModel, read_from


class TransmissionResponse(ResponseModel):
    """A transmission as the history lists it."""

    # A field without ``read_from`` is the transmission's own.
    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasPath("transmission", name))
    )

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
    note: str = read_from("texts.note")
    """The detailed state or the next attempt, in a few words; may be empty."""
    cause: CauseResponse | None = read_from("texts.cause")
    attempts_made: int
    in_flight: bool = read_from("texts.in_flight")
    created_at: Moment
    last_attempt_at: Moment | None
    last_duration_ms: int | None
    next_attempt_at: Moment | None = read_from("texts.next_attempt_at")
    """Null if no attempt is scheduled."""
    next_attempt_note: str | None = read_from("texts.next_attempt_note")
    """What the next attempt waits for, if it is not scheduled."""
    accepted_at: Moment | None
    receipt_verified: bool | None = read_from("receipt_verified")
    """Whether the receipt was verified for this response; null if no License Server key is pinned, or the transmission
    is not accepted yet."""


class AttemptCauseResponse(ResponseModel):
    """Why an attempt was not accepted. What can be done now depends on the transmission."""

    code: Cause = read_from("value")
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


class SchemaChangeResponse(ResponseModel):
    """What the schema of a payload allows and the one before it did not, or the other way round, for one field."""

    field: str
    """Dotted name; for a rule, the names of its fields, separated by commas."""
    kind: ChangeKind
    before: str | None
    """What was allowed, in words; null for what is new."""
    after: str | None
    """What is allowed, in words; null for what is gone."""


class TransmissionDetailResponse(TransmissionResponse):
    """A transmission with its payload and every attempt."""

    payload: Annotated[PayloadObject | None, BeforeValidator(read_stored)] = read_from("payload")
    """As stored; each attempt adds its own `transmitted_at`. Null if it cannot be read."""
    prepared_sha256: str
    """The digest of the stored payload, which the ledger names."""
    receipt: str | None
    changes: tuple[SchemaChangeResponse, ...] = read_from("changes")
    """What is new in a payload that waits for its release, field by field."""
    attempts: tuple[AttemptResponse, ...] = read_from("attempts")


class UnreadableTransmissionResponse(ResponseModel):
    """A transmission whose row holds what this service never writes."""

    transmission_id: UUID | None
    """Null if that cannot be read either."""
    unreadable: str = read_from("column")
    """The column that cannot be read, with its table."""


class HistoryResponse(ResponseModel):
    """A page of the history, newest first, and the cursor of the next one."""

    transmissions: tuple[TransmissionResponse, ...]
    unreadable: tuple[UnreadableTransmissionResponse, ...]
    """The transmissions of this page that cannot be read."""
    next_cursor: str | None
    """The `cursor` of the next page; null on the last one."""
    updates_cursor: str | None
    """With `updated_since`, or a cursor of it: the `cursor` to ask with later, for what has changed after this page."""


class RetriedResponse(ResponseModel):
    """The retried transmissions, after their attempts."""

    transmissions: tuple[TransmissionDetailResponse, ...]

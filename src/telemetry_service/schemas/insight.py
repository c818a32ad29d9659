"""The health, the preview, the field dictionary, and the probes' responses."""

from datetime import date
from enum import StrEnum
from typing import Any

from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.schemas.base import Moment, PayloadObject, ResponseModel, read_from


class HealthStateResponse(ResponseModel):
    """A health status with its cause, the next step, and who can take it."""

    status: HealthStatus = read_from("health.status")
    code: str = read_from("health.code")
    cause: str = read_from("health.cause")
    next_step: str = read_from("health.next_step")
    owner: Owner = read_from("health.owner")
    connected: bool | None
    """Whether the License Server is connected; null while telemetry is off, not configured, or not tried yet."""


class HealthResponse(HealthStateResponse):
    """The health status and related facts."""

    license_server: ConnectionBadge = read_from("verdict.badge")
    """The badge next to *License Server*."""
    waiting: int
    """Transmissions not accepted yet."""
    waiting_note: str = read_from("verdict.waiting_note")
    last_accepted_at: Moment | None
    last_exchange_at: Moment | None
    next_run_at: Moment | None
    next_run_note: str = read_from("verdict.next_run_note")
    """Why there is no next run, or what it cannot do; empty if it will create a payload."""
    next_send_at: Moment | None
    """When the next payload is sent, retries included."""
    next_send_note: str = read_from("verdict.next_send_note")
    last_tick_result: str | None
    run_note: str | None = read_from("verdict.run_note")
    """What the latest run left undone; null if nothing."""


class FiguresResponse(ResponseModel):
    """The six figures of the guide."""

    total_events: int = read_from("counts.total_events")
    sandbox_events: int = read_from("counts.sandbox_events")
    production_events: int = read_from("counts.production_events")
    active_bouncers: int = read_from("counts.bouncer_count")
    policy_decisions: int = read_from("counts.policy_decision_count")
    health_status: HealthStatus


class DayResponse(ResponseModel):
    """What all bouncers reported on one UTC day."""

    day: date
    sandbox_events: int
    production_events: int
    policy_decisions: int
    successful_decisions: int


class SealedResponse(ResponseModel):
    """The sealed form, as it would be sent now."""

    content_type: str
    key_id: str
    signature: str
    body: str
    body_bytes: int
    encrypted: bool


class PayloadChangeResponse(ResponseModel):
    """A field that differs from the last accepted payload."""

    name: str
    before: Any
    after: Any


class PreviewErrorResponse(ResponseModel):
    """Why a payload, or its customer_id, cannot be shown."""

    code: str
    sentence: str = read_from("text")


class PreviewResponse(ResponseModel):
    """The open period as figures and as the payload it would become."""

    at: Moment = read_from("now")
    period_opened_at: Moment = read_from("period.opened_at")
    enabled: bool
    """False while telemetry is off; nothing is sent then."""
    note: str = read_from("verdict.preview_note")
    """What happens to these counts."""
    bouncers_registered: int
    figures: FiguresResponse
    health: HealthStateResponse = read_from("verdict")
    days: tuple[DayResponse, ...]
    payload: PayloadObject | None
    version: str | None
    """Identifies this preview. To send exactly this, pass it as `If-Match` to *send now*. Null if it cannot be sent."""
    error: PreviewErrorResponse | None
    sealed: SealedResponse | None
    difference: tuple[PayloadChangeResponse, ...]
    compared_with: str | None = read_from("last_accepted_id")
    """The accepted transmission that `difference` compares with."""


class FieldResponse(ResponseModel):
    """An entry of the field dictionary."""

    name: str
    meaning: str
    why: str
    type: str
    example: Any
    source: str


class DictionaryResponse(ResponseModel):
    """Every field that can be sent, what it means, and why it is collected."""

    schema_sha256: str
    """Names the current payload schema: the SHA-256 of its document."""
    fields: tuple[FieldResponse, ...]


class Liveness(StrEnum):
    """Whether the process is alive."""

    ALIVE = "alive"
    THREAD_ENDED = "thread-ended"


class AliveResponse(ResponseModel):
    """The process responds, and its threads are running."""

    status: Liveness
    ended_threads: list[str]
    """Required threads that have ended. Only a restart brings them back."""


class ReadinessResponse(ResponseModel):
    """Whether the service can do its work, and if not, which part fails."""

    ready: bool
    database: bool
    """The schema exists, and the last write reached the disk."""
    scheduler: bool
    """The scheduler ran within the last minute."""
    last_waking_age_seconds: float | None
    """Seconds since the scheduler last ran; null before its first run."""
    last_heartbeat_age_seconds: float | None
    """Seconds since the last heartbeat was written; null before the first. Above 60 the service is not ready."""

"""The health."""

from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.schemas.base import Moment, ResponseModel, read_from


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
    """What the badge beside *License Server* says."""
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

"""What other services reported: bouncers, usage, the license, extension codes."""

from telemetry_service.domain.facts import Environment, LicenseSource
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.schemas.base import Moment, ResponseModel, read_from


class BouncerResponse(ResponseModel):
    """A registered bouncer."""

    bouncer_id: str
    environment: Environment
    pair_id: str
    registered_at: Moment


class BouncersResponse(ResponseModel):
    """All registered bouncers, ordered by ID."""

    bouncers: tuple[BouncerResponse, ...]


class RecordingResponse(ResponseModel):
    """How many reports were counted now, and how many were duplicates."""

    accepted: int
    duplicates: int


class LicenseResponse(ResponseModel):
    """The license posture, and whether feature gating is active."""

    customer_id: str | None
    tier: Tier = read_from("posture.tier")
    license_status: LicenseStatus = read_from("posture.license_status")
    expires_at: Moment | None = read_from("posture.expires_at")
    token_issued_at: Moment | None = read_from("posture.token_issued_at")
    token_expires_at: Moment | None = read_from("posture.token_expires_at")
    token_refreshed_at: Moment | None = read_from("posture.token_refreshed_at")
    source: LicenseSource | None
    """Who reported the latest change; null before the first report and for changes recorded by version 0.1.0."""
    updated_at: Moment | None
    feature_gating_active: bool


class ExtensionCodeResponse(ResponseModel):
    """Whether a code was recorded now or already known."""

    code_id: str
    recorded: bool
    """False if the code was already recorded."""

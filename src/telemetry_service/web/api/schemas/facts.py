"""The answers about reported facts."""

from telemetry_service.domain.facts import Environment, LicenseSource, RecordingResult, RegisteredBouncer
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.queries.facts import LicenseView
from telemetry_service.web.api.schemas.base import Moment, ResponseModel


class BouncerResponse(ResponseModel):
    """A registered bouncer."""

    bouncer_id: str
    environment: Environment
    pair_id: str
    registered_at: Moment

    @classmethod
    def of(cls, bouncer: RegisteredBouncer) -> "BouncerResponse":
        """Return the answer for a bouncer."""
        return cls(
            bouncer_id=bouncer.bouncer_id,
            environment=bouncer.environment,
            pair_id=bouncer.pair_id,
            registered_at=bouncer.registered_at,
        )


class BouncersResponse(ResponseModel):
    """All registered bouncers, ordered by ID."""

    bouncers: tuple[BouncerResponse, ...]


class RecordingResponse(ResponseModel):
    """How many reports were counted now, and how many were duplicates."""

    accepted: int
    duplicates: int

    @classmethod
    def of(cls, result: RecordingResult) -> "RecordingResponse":
        """Return the answer for one call's reports."""
        return cls(accepted=result.accepted, duplicates=result.duplicates)


class LicenseResponse(ResponseModel):
    """The license posture, and whether feature gating is active."""

    customer_id: str | None
    tier: Tier
    license_status: LicenseStatus
    expires_at: Moment | None
    token_issued_at: Moment | None
    token_expires_at: Moment | None
    token_refreshed_at: Moment | None
    source: LicenseSource | None
    """Who reported the latest change; null before the first report and for changes recorded by version 0.1.0."""
    updated_at: Moment | None
    feature_gating_active: bool

    @classmethod
    def of(cls, view: LicenseView) -> "LicenseResponse":
        """Return the answer for the license as it stands."""
        posture = view.posture
        return cls(
            customer_id=view.customer_id,
            tier=posture.tier,
            license_status=posture.license_status,
            expires_at=posture.expires_at,
            token_issued_at=posture.token_issued_at,
            token_expires_at=posture.token_expires_at,
            token_refreshed_at=posture.token_refreshed_at,
            source=view.source,
            updated_at=view.updated_at,
            feature_gating_active=view.feature_gating_active,
        )


class ExtensionCodeResponse(ResponseModel):
    """Whether a code was recorded now or already known."""

    code_id: str
    recorded: bool
    """False if the code was already recorded."""

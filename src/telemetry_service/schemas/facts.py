"""What other services reported: bouncers, usage, the license, extension codes."""

from uuid import UUID

from pydantic import AliasGenerator, AliasPath, ConfigDict

from telemetry_service.domain.facts import Environment, LicenseSource, WarningCode
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.schemas.base import Moment, ResponseModel, read_from


class BouncerResponse(ResponseModel):
    """A registered bouncer."""

    bouncer_id: str
    environment: Environment
    pair_id: str
    registered_at: Moment


class FactWarningResponse(ResponseModel):
    """Something that was taken and is probably not meant."""

    code: WarningCode
    sentence: str
    bouncer_id: str
    index: int | None
    """The place of the report in the call; null if it is not about a report."""
    report_id: UUID | None


class RegisteredBouncerResponse(BouncerResponse):
    """A registered bouncer, with what is probably wrong."""

    # A field without ``read_from`` is the bouncer's own.
    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=lambda name: AliasPath("bouncer", name)))

    warnings: tuple[FactWarningResponse, ...] = read_from("warnings")
    """The first 100."""


class RegistryChangeResponse(ResponseModel):
    """What the replacement of the registry changed; with `dry_run=true`, what it would change."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    """Their reported usage stays counted."""
    changed: tuple[str, ...]
    unchanged: int
    warnings: tuple[FactWarningResponse, ...]
    """The first 100."""


class BouncersResponse(ResponseModel):
    """All registered bouncers, ordered by ID."""

    bouncers: tuple[BouncerResponse, ...]


class RecordingResponse(ResponseModel):
    """How many reports were counted now, and how many were duplicates."""

    accepted: int
    duplicates: int
    """Reports whose ID was counted before. If their content differs, there is a warning."""
    reportable: bool
    """False while telemetry is off: what is counted meanwhile is never sent."""
    warnings: tuple[FactWarningResponse, ...]
    """The first 100."""


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

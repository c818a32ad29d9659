"""The configuration, what saving another one would lose, and the result of a connection test."""

from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.schemas.base import CauseResponse, Moment, ResponseModel, read_from


class OldApiKeyResponse(ResponseModel):
    """The API key before the present one, while it is still tried."""

    hint: str
    """The last four characters."""
    key_id: str
    until: Moment
    """When it is destroyed, unless a payload is accepted under the new key before."""


class ApiKeyResponse(ResponseModel):
    """What may be shown about the API key without showing it."""

    configured: bool
    hint: str | None
    """The last four characters."""
    key_id: str | None
    set_at: Moment | None


class LicenseServerResponse(ResponseModel):
    """Whether a License Server is configured, and its badge."""

    configured: bool = read_from("situation.setup.license_server")
    connected: bool | None
    """Null while telemetry is off, not configured, or not tried yet."""
    badge: ConnectionBadge


class ConfigurationResponse(ResponseModel):
    """The configuration. The first five fields can be changed."""

    enabled: bool
    """Whether telemetry is on. Always false while the deployment locks it off."""
    frequency: Frequency = read_from("values.frequency")
    encrypt_payload: bool = read_from("values.encrypt_payload")
    anonymize_pii: bool = read_from("values.anonymize_pii")
    """Whether the customer ID is sent as a pseudonym, which the License Server can link to the customer."""
    retention_days: int = read_from("values.retention_days")
    locked: tuple[Setting, ...]
    """What the deployment sets with variables, so that it cannot be changed here. `enabled` is among them while
    TELEMETRY_ENABLED=false turns telemetry off."""
    updated_at: Moment = read_from("stored.updated_at")
    api_key: ApiKeyResponse
    old_api_key: OldApiKeyResponse | None
    """The key that the present one has replaced, as long as it is still tried; null otherwise."""
    license_server: LicenseServerResponse = read_from("verdict")
    next_run_at: Moment | None
    """When the next period closes; null while telemetry is off."""
    next_send_at: Moment | None
    """When the next payload is sent: a waiting one, or the next run's a few minutes after that run."""


class ConsequencesResponse(ResponseModel):
    """What a save would change, and what it would permanently lose; zeros if it would lose nothing."""

    changes: tuple[str, ...]
    """The settings that it would change."""
    events_never_sent: int
    decisions_never_sent: int
    rows_deleted: int
    """100,001 means more than 100,000."""
    sentences: tuple[str, ...]


class RevealedKeyResponse(ResponseModel):
    """The API key as plain text."""

    api_key: str


class StepResponse(ResponseModel):
    """One step of a connection test; `ok` is null if an earlier step failed."""

    name: StepName
    ok: bool | None
    duration_ms: int | None
    detail: str | None


class ConnectionCheckResponse(ResponseModel):
    """The result of a connection test, and its steps in order."""

    ok: bool
    cause: CauseResponse | None = read_from("cause_texts")
    response_code: int | None
    steps: tuple[StepResponse, ...]

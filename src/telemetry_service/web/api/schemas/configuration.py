"""The answers about the configuration and the connection."""

from telemetry_service.domain.configuration import ApiKeyFact
from telemetry_service.domain.connection_check import ConnectionCheck, StepName
from telemetry_service.domain.outcome import Cause
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmission_texts import CauseTexts, cause_of_test
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.pipeline.queries.consequences import Consequences
from telemetry_service.web.api.schemas.base import Moment, ResponseModel


class ApiKeyResponse(ResponseModel):
    """What may be shown about the API key without showing it."""

    configured: bool
    hint: str | None
    """The last four characters."""
    key_id: str | None
    set_at: Moment | None

    @classmethod
    def of(cls, fact: ApiKeyFact | None) -> "ApiKeyResponse":
        """Return the answer for the stored key, or for none."""
        if fact is None:
            return cls(configured=False, hint=None, key_id=None, set_at=None)
        return cls(configured=True, hint=fact.hint, key_id=fact.key_id, set_at=fact.set_at)


class LicenseServerResponse(ResponseModel):
    """Whether a License Server is configured, and its badge."""

    configured: bool
    connected: bool | None
    """Null while telemetry is off, not configured, or not tried yet."""
    badge: ConnectionBadge


class ConfigurationResponse(ResponseModel):
    """The configuration. The first five fields can be changed."""

    enabled: bool
    """Whether telemetry is on. Always false while the deployment locks it off."""
    frequency: Frequency
    encrypt_payload: bool
    anonymize_pii: bool
    retention_days: int
    locked: bool
    """True while the deployment has turned telemetry off (TELEMETRY_ENABLED=false)."""
    updated_at: Moment
    api_key: ApiKeyResponse
    license_server: LicenseServerResponse
    next_run_at: Moment | None
    """When the next period closes; null while telemetry is off."""
    next_send_at: Moment | None
    """When the next payload is sent: a waiting one, or the next run's a few minutes after that run."""

    @classmethod
    def of(cls, view: ConfigurationView) -> "ConfigurationResponse":
        """Return the answer for the configuration as it stands."""
        values = view.values
        return cls(
            enabled=values.enabled,
            frequency=values.frequency,
            encrypt_payload=values.encrypt_payload,
            anonymize_pii=values.anonymize_pii,
            retention_days=values.retention_days,
            locked=view.locked,
            updated_at=view.stored.updated_at,
            api_key=ApiKeyResponse.of(view.stored.api_key),
            license_server=LicenseServerResponse(
                configured=view.license_server_configured,
                connected=view.verdict.connected,
                badge=view.verdict.badge,
            ),
            next_run_at=view.next_run_at,
            next_send_at=view.next_send_at,
        )


class ConsequencesResponse(ResponseModel):
    """What a save would permanently lose; zeros if it would lose nothing. Nothing was saved."""

    events_never_sent: int
    decisions_never_sent: int
    rows_deleted: int
    """100,001 means more than 100,000."""
    sentences: tuple[str, ...]

    @classmethod
    def of(cls, found: Consequences) -> "ConsequencesResponse":
        """Return the answer for what a save would lose."""
        return cls(
            events_never_sent=found.events_never_sent,
            decisions_never_sent=found.decisions_never_sent,
            rows_deleted=found.rows_deleted,
            sentences=found.sentences,
        )


class RevealedKeyResponse(ResponseModel):
    """The API key as plain text."""

    api_key: str


class CauseResponse(ResponseModel):
    """Why something failed, what to do, and who can do it."""

    code: Cause
    sentence: str
    next_step: str
    owner: Owner

    @classmethod
    def of(cls, cause: CauseTexts | None) -> "CauseResponse | None":
        """Return the answer for a cause, or None for none."""
        if cause is None:
            return None
        return cls(code=cause.code, sentence=cause.sentence, next_step=cause.next_step, owner=cause.owner)


class StepResponse(ResponseModel):
    """One step of a connection test; `ok` is null if an earlier step failed."""

    name: StepName
    ok: bool | None
    duration_ms: int | None
    detail: str | None


class ConnectionCheckResponse(ResponseModel):
    """The result of a connection test, and its steps in order."""

    ok: bool
    cause: CauseResponse | None
    response_code: int | None
    steps: tuple[StepResponse, ...]

    @classmethod
    def of(cls, test: ConnectionCheck) -> "ConnectionCheckResponse":
        """Return the answer for a test."""
        steps = tuple(
            StepResponse(name=step.name, ok=step.ok, duration_ms=step.duration_ms, detail=step.detail)
            for step in test.steps
        )
        return cls(
            ok=test.ok, cause=CauseResponse.of(cause_of_test(test.cause)), response_code=test.response_code, steps=steps
        )

"""The answers about the open period, the health and the field dictionary."""

from datetime import date
from typing import Any

from telemetry_service.domain.dictionary import FieldEntry
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.periods import DayCount
from telemetry_service.domain.verdict import ConnectionBadge, Verdict
from telemetry_service.pipeline.queries.health import HealthReport
from telemetry_service.pipeline.queries.preview import FieldChange, Preview, SealedDescription
from telemetry_service.web.api.schemas.base import Moment, ResponseModel


class HealthStateResponse(ResponseModel):
    """A health status with its cause, the next step, and who can take it."""

    status: HealthStatus
    code: str
    cause: str
    next_step: str
    owner: Owner
    connected: bool | None
    """Whether the License Server is connected; null while telemetry is off, not configured, or not tried yet."""

    @classmethod
    def of(cls, verdict: Verdict) -> "HealthStateResponse":
        """Return the answer for a verdict."""
        health = verdict.health
        return cls(
            status=health.status,
            code=health.code,
            cause=health.cause,
            next_step=health.next_step,
            owner=health.owner,
            connected=verdict.connected,
        )


class HealthResponse(HealthStateResponse):
    """The health status and related facts."""

    license_server: ConnectionBadge
    """What the badge beside *License Server* says."""
    waiting: int
    """Transmissions not accepted yet."""
    waiting_note: str
    last_accepted_at: Moment | None
    last_exchange_at: Moment | None
    next_run_at: Moment | None
    next_run_note: str
    """Why there is no next run, or what it cannot do; empty if it will create a payload."""
    next_send_at: Moment | None
    """When the next payload is sent, retries included."""
    next_send_note: str
    last_tick_result: str | None
    run_note: str | None
    """What the latest run left undone; null if nothing."""

    @classmethod
    def of_report(cls, report: HealthReport) -> "HealthResponse":
        """Return the answer for a report."""
        return cls(
            **dict(HealthStateResponse.of(report.verdict)),
            license_server=report.verdict.badge,
            waiting=report.waiting,
            waiting_note=report.verdict.waiting_note,
            last_accepted_at=report.last_accepted_at,
            last_exchange_at=report.last_exchange.at if report.last_exchange else None,
            next_run_at=report.next_run_at,
            next_run_note=report.verdict.next_run_note,
            next_send_at=report.next_send_at,
            next_send_note=report.verdict.next_send_note,
            last_tick_result=report.last_tick_result,
            run_note=report.verdict.run_note,
        )


class FiguresResponse(ResponseModel):
    """The six figures of the guide."""

    total_events: int
    sandbox_events: int
    production_events: int
    active_bouncers: int
    policy_decisions: int
    health_status: HealthStatus


class DayResponse(ResponseModel):
    """What all bouncers reported on one UTC day."""

    day: date
    sandbox_events: int
    production_events: int
    policy_decisions: int
    successful_decisions: int

    @classmethod
    def of(cls, count: DayCount) -> "DayResponse":
        """Return the answer for a day."""
        return cls(
            day=count.day,
            sandbox_events=count.sandbox_events,
            production_events=count.production_events,
            policy_decisions=count.policy_decisions,
            successful_decisions=count.successful_decisions,
        )


class SealedResponse(ResponseModel):
    """The sealed form, as it would be sent now."""

    content_type: str
    key_id: str
    signature: str
    body: str
    body_bytes: int
    encrypted: bool

    @classmethod
    def of(cls, sealed: SealedDescription | None) -> "SealedResponse | None":
        """Return the answer for a sealed form, or None for none."""
        if sealed is None:
            return None
        return cls(
            content_type=sealed.content_type,
            key_id=sealed.key_id,
            signature=sealed.signature,
            body=sealed.body,
            body_bytes=sealed.body_bytes,
            encrypted=sealed.encrypted,
        )


class ChangeResponse(ResponseModel):
    """A field that differs from the last accepted payload."""

    name: str
    before: Any
    after: Any

    @classmethod
    def of(cls, change: FieldChange) -> "ChangeResponse":
        """Return the answer for a change."""
        return cls(name=change.name, before=change.before, after=change.after)


class PreviewErrorResponse(ResponseModel):
    """Why a payload, or its customer_id, cannot be shown."""

    code: str
    sentence: str


class PreviewResponse(ResponseModel):
    """The open period as figures and as the payload it would become."""

    at: Moment
    period_opened_at: Moment
    enabled: bool
    """False while telemetry is off; nothing is sent then."""
    note: str
    """What happens to these counts."""
    bouncers_registered: int
    figures: FiguresResponse
    health: HealthStateResponse
    days: tuple[DayResponse, ...]
    payload: dict[str, Any] | None
    version: str | None
    """Identifies this preview. To send exactly this, pass it as `If-Match` to *send now*. Null if it cannot be sent."""
    fault: PreviewErrorResponse | None
    sealed: SealedResponse | None
    difference: tuple[ChangeResponse, ...]
    compared_with: str | None
    """The accepted transmission that `difference` compares with."""

    @classmethod
    def of(cls, preview: Preview) -> "PreviewResponse":
        """Return the answer for a preview."""
        fault = preview.fault
        return cls(
            at=preview.now,
            period_opened_at=preview.period.opened_at,
            enabled=preview.enabled,
            note=preview.verdict.preview_note,
            bouncers_registered=preview.bouncers_registered,
            figures=_figures(preview),
            health=HealthStateResponse.of(preview.verdict),
            days=tuple(DayResponse.of(day) for day in preview.days),
            payload=preview.payload,
            version=preview.version,
            fault=PreviewErrorResponse(code=fault.code, sentence=fault.text) if fault else None,
            sealed=SealedResponse.of(preview.sealed),
            difference=tuple(ChangeResponse.of(change) for change in preview.difference),
            compared_with=preview.last_accepted_id,
        )


def _figures(preview: Preview) -> FiguresResponse:
    counts = preview.counts
    return FiguresResponse(
        total_events=counts.total_events,
        sandbox_events=counts.sandbox_events,
        production_events=counts.production_events,
        active_bouncers=counts.bouncer_count,
        policy_decisions=counts.policy_decision_count,
        health_status=preview.health.status,
    )


class FieldResponse(ResponseModel):
    """An entry of the field dictionary."""

    name: str
    meaning: str
    why: str
    type: str
    example: Any
    source: str

    @classmethod
    def of(cls, entry: FieldEntry) -> "FieldResponse":
        """Return the answer for an entry."""
        return cls(
            name=entry.name,
            meaning=entry.meaning,
            why=entry.why,
            type=entry.type,
            example=entry.example,
            source=entry.source,
        )


class DictionaryResponse(ResponseModel):
    """Every field that can leave, with what it means and why it is collected."""

    fields: tuple[FieldResponse, ...]

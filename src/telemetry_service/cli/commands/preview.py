"""``telemetry-service preview``."""

from typing import TYPE_CHECKING

from telemetry_service.cli.open_service import opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_json, say_table

if TYPE_CHECKING:
    from telemetry_service.web.api.schemas.insight import PreviewResponse


def preview(*, as_json: AsJson = False) -> None:
    """Show exactly what would be sent now. Sends nothing."""
    with opened_service() as service:
        from telemetry_service.pipeline.queries.preview import build_preview
        from telemetry_service.pipeline.snapshot import read_now
        from telemetry_service.web.api.schemas.insight import PreviewResponse

        found = read_now(service.runtime, build_preview)
    answer = PreviewResponse.of(found)
    if as_json:
        say(answer.model_dump_json(indent=2))
    else:
        _tell(answer)


def _tell(found: "PreviewResponse") -> None:
    from telemetry_service.domain.payload import HealthStatus

    figures = found.figures
    say(f"Current period, since {moment(found.period_opened_at)}")
    say_table(
        ("FIGURE", "VALUE"),
        (
            ("Total events", figures.total_events),
            ("Sandbox events", figures.sandbox_events),
            ("Production events", figures.production_events),
            ("Active bouncers", figures.active_bouncers),
            ("Policy decisions", figures.policy_decisions),
            ("Health status", figures.health_status.value),
        ),
    )
    say(f"{found.health.cause} {found.health.next_step}")
    if not found.enabled:
        say("Telemetry is off: none of this will be sent.")
    # What is not configured was said a line above.
    if found.fault is not None and found.health.status is not HealthStatus.NOT_CONFIGURED:
        say(found.fault.sentence)
    if found.payload is not None:
        say()
        say("Exact payload:")
        say_json(found.payload)

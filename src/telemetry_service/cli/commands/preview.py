"""``telemetry-service preview``."""

from typing import TYPE_CHECKING

from telemetry_service.cli.open_service import opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_as, say_json, say_table

if TYPE_CHECKING:
    from telemetry_service.pipeline.queries.preview import Preview


def preview(*, as_json: AsJson = False) -> None:
    """Show exactly what would be sent now. Sends nothing."""
    with opened_service() as service:
        from telemetry_service.pipeline.queries.preview import build_preview
        from telemetry_service.pipeline.snapshot import read_now

        found = read_now(service.runtime, build_preview)
    if as_json:
        from telemetry_service.schemas.insight import PreviewResponse

        say_as(PreviewResponse, found)
    else:
        _print(found)


def _print(found: "Preview") -> None:
    from telemetry_service.domain.payload import HealthStatus

    counts = found.figures.counts
    say(f"Current period, since {moment(found.period.opened_at)}")
    say_table(
        ("FIGURE", "VALUE"),
        (
            ("Total events", counts.total_events),
            ("Sandbox events", counts.sandbox_events),
            ("Production events", counts.production_events),
            ("Active bouncers", counts.bouncer_count),
            ("Policy decisions", counts.policy_decision_count),
            ("Health status", found.figures.health_status.value),
        ),
    )
    say(f"{found.health.cause} {found.health.next_step}")
    if not found.enabled:
        say("Telemetry is off: none of this will be sent.")
    # The line above says what is not configured.
    if found.error is not None and found.health.status is not HealthStatus.NOT_CONFIGURED:
        say(found.error.text)
    if found.payload is not None:
        say()
        say("Exact payload:")
        say_json(found.payload)

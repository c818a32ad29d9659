"""The current period's preview: six figures, the chart, and why there may be nothing to see."""

from dataclasses import dataclass
from datetime import timedelta

from telemetry_service.pipeline.queries.preview import Preview
from telemetry_service.web.tab.filters import Moment, moment
from telemetry_service.web.tab.labels import HEALTH, Badge
from telemetry_service.web.tab.numbers import counted, grouped
from telemetry_service.web.tab.sections.chart import Chart, chart
from telemetry_service.web.tab.sections.payload import codes_in_words

_NO_BOUNCERS = "No bouncers are configured. Register bouncers with the Control Plane; they then appear here."
_JUST_OPENED = "A new period just started. Counts arrive with the bouncers’ next usage reports."
_YOUNG = timedelta(hours=1)
_SILENT = "registered, but none has reported since the period started: verify that they are active and connected."
_NO_EVENTS = "No audit log events in the current period: check that policies are being evaluated."
_NO_REPORT = "Counts arrive with the bouncers’ usage reports: check the backend logs for aggregation errors."


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the six figures."""

    name: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What the section shows."""

    opened: Moment
    figures: tuple[Figure, ...]
    health: Badge
    chart: Chart | None
    zero_reasons: tuple[str, ...]
    """The guide's causes of zero values, those first that are known to apply; empty where there is something."""
    waiting_codes: str | None
    """The one thing in a payload whose content somebody else chooses; None where no code waits."""
    bouncers: str
    fault: str | None
    note: str
    """What becomes of the counts."""


def preview_view(preview: Preview) -> PreviewView:
    """Return the section."""
    counts = preview.counts
    return PreviewView(
        opened=moment(preview.period.opened_at, preview.now),
        figures=(
            Figure("Total Events", grouped(counts.total_events), "audit events"),
            Figure("Sandbox Events", grouped(counts.sandbox_events), "audit events"),
            Figure("Production Events", grouped(counts.production_events), "audit events"),
            Figure(
                "Active Bouncers",
                grouped(counts.bouncer_count),
                f"{grouped(preview.bouncers_registered)} registered",
            ),
            Figure("Policy Decisions", grouped(counts.policy_decision_count), "decisions"),
        ),
        health=HEALTH[preview.health.status],
        chart=chart(preview.days, preview.period.opened_at, preview.now),
        zero_reasons=_zero_reasons(preview),
        waiting_codes=codes_in_words(preview.waiting_codes) if preview.waiting_codes else None,
        bouncers=counted(preview.bouncers_registered, "bouncer"),
        # While telemetry is off nothing is sent, whatever else is the matter.
        fault=preview.fault.text if preview.fault and preview.enabled else None,
        note=preview.verdict.preview_note,
    )


def _zero_reasons(preview: Preview) -> tuple[str, ...]:
    if preview.counts.total_events or preview.counts.policy_decision_count:
        return ()
    if preview.bouncers_registered == 0:
        return (_NO_BOUNCERS,)
    if preview.now - preview.period.opened_at < _YOUNG:
        return (_JUST_OPENED,)
    silent = f"{counted(preview.bouncers_registered, 'bouncer')} {_SILENT}"
    return (silent, _NO_EVENTS, _NO_REPORT)

"""The current period's preview: the six figures, the chart, and why there may be nothing to see."""

from datetime import timedelta
from typing import Any

from telemetry_service.pipeline.queries.preview import Preview
from telemetry_service.web.tab.filters import counted
from telemetry_service.web.tab.sections.chart import chart

_NO_BOUNCERS = "No bouncers are configured. Register bouncers with the Control Plane; they then appear here."
_JUST_OPENED = "A new period just started. Counts arrive with the bouncers’ next usage reports."
_YOUNG = timedelta(hours=1)
_SILENT = "registered, but none has reported since the period started: verify that they are active and connected."
_NO_EVENTS = "No audit log events in the current period: check that policies are being evaluated."
_NO_REPORT = "Counts arrive with the bouncers’ usage reports: check the backend logs for aggregation errors."


def preview_section(preview: Preview) -> dict[str, Any]:
    """Return the preview, its chart, and the guide's causes of zero values, those first that are known to apply."""
    return {
        "preview": preview,
        "chart": chart(preview.days, preview.period.opened_at, preview.now),
        "zero_reasons": _zero_reasons(preview),
    }


def _zero_reasons(preview: Preview) -> tuple[str, ...]:
    if preview.counts.total_events or preview.counts.policy_decision_count:
        return ()
    if preview.bouncers_registered == 0:
        return (_NO_BOUNCERS,)
    if preview.now - preview.period.opened_at < _YOUNG:
        return (_JUST_OPENED,)
    silent = f"{counted(preview.bouncers_registered, 'bouncer')} {_SILENT}"
    return (silent, _NO_EVENTS, _NO_REPORT)

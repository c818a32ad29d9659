"""The content of the tab, from one snapshot: the whole page, or the sections that have changed."""

from typing import Any

from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery
from telemetry_service.web.tab.sections.activity import activity_section
from telemetry_service.web.tab.sections.history import history_section
from telemetry_service.web.tab.sections.settings import TypedForm, settings_section

PAGE = "telemetry/page.html"
SETTINGS = "telemetry/settings.html"
HISTORY = "telemetry/history.html"
ACTIVITY = "telemetry/activity.html"
DRAWER = "telemetry/drawer.html"
NO_DIALOG = "telemetry/no_dialog.html"
EVERYTHING_BUT_THE_FORM = ("telemetry/health.html", "telemetry/preview.html", HISTORY, ACTIVITY)
BESIDE = (*EVERYTHING_BUT_THE_FORM, "telemetry/toasts.html")
"""What a form may change in addition to itself."""


def page_sections(snapshot: Snapshot, query: HistoryQuery, typed: TypedForm | None = None) -> dict[str, Any]:
    """Return the sections of the whole page."""
    beside = sections_beside_the_form(snapshot, query)
    return beside | settings_section(snapshot, typed)


def sections_beside_the_form(snapshot: Snapshot, query: HistoryQuery) -> dict[str, Any]:
    """Return the sections of ``EVERYTHING_BUT_THE_FORM``: all that a send or a retry may change."""
    return {
        "preview": build_preview(snapshot),
        **history_section(snapshot, query),
        **activity_section(snapshot),
    }

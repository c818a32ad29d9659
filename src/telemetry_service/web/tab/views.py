"""The views of the tab, from one snapshot: a whole page, or the sections that have changed."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery
from telemetry_service.web.tab.sections.history import history_section, strip_of
from telemetry_service.web.tab.sections.settings import TypedForm, settings_section
from telemetry_service.web.tab.sections.transmission import transmission_section

OVERVIEW = "telemetry/overview/page.html"
SETTINGS = "telemetry/settings/page.html"
FORM = "telemetry/settings/form.html"
FIELDS = "telemetry/settings/fields.html"
CONNECTION = "telemetry/settings/connection.html"
BY_THE_KEY = (
    "telemetry/settings/version.html",
    "telemetry/settings/encryption_sample.html",
    "telemetry/settings/anonymization_sample.html",
    "telemetry/payload/send_button.html",
)
"""All that a new API key changes beside its own card: none of it has a field that someone may be filling in."""
BY_THE_FIELDS = ("telemetry/settings/connection_buttons.html", "telemetry/settings/server_badge.html")
"""All that other settings change beside their own cards."""
DRAWER = "telemetry/drawer/drawer.html"
NO_DIALOG = "telemetry/no_dialog.html"
OF_THE_DRAWER = ("telemetry/drawer/status.html", "telemetry/drawer/detail.html")
"""All of it that may change while it is open."""
OF_THE_CONNECTION = ("telemetry/settings/server_badge.html", "telemetry/payload/send_button.html")
"""All of the settings that changes on its own."""
TOASTS = "telemetry/toasts.html"
ROWS = "telemetry/overview/history_rows.html"
BESIDE_ROWS = ("telemetry/overview/history_chips.html", "telemetry/overview/history_chosen.html")
FILTERS = "telemetry/overview/history_filters.html"
OF_THE_OVERVIEW = (
    "telemetry/overview/health.html",
    "telemetry/overview/preview.html",
    "telemetry/overview/history_head.html",
    "telemetry/overview/history_chips.html",
    ROWS,
)
"""All that a send or a retry may change."""


def overview(snapshot: Snapshot, query: HistoryQuery) -> dict[str, Any]:
    """Return the sections of the overview."""
    return {"preview": build_preview(snapshot), "strip": strip_of(snapshot), **history_section(snapshot, query)}


def followed(snapshot: Snapshot, query: HistoryQuery, transmission_id: UUID | None) -> dict[str, Any]:
    """Return the sections of the overview with an open drawer; if its transmission is gone, without it."""
    shown = overview(snapshot, query)
    if transmission_id is not None:
        with suppress(NotFoundError):
            shown |= transmission_section(snapshot, transmission_id, query)
    return shown


def connection_view(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the settings say about the connection."""
    return {"now": snapshot.now, "verdict": snapshot.verdict, "preview": build_preview(snapshot)}


def settings_view(snapshot: Snapshot, typed: TypedForm | None = None) -> dict[str, Any]:
    """Return the sections of the settings."""
    return {
        "now": snapshot.now,
        "verdict": snapshot.verdict,
        "preview": build_preview(snapshot),
        **settings_section(snapshot, typed),
    }

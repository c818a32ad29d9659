"""Reads everything that the tab shows, and turns it into its view models."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import CursorInvalidError
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.queries.history import (
    HistoryFilter,
    HistoryPage,
    is_newer_cursor,
    list_newer_transmissions,
    list_transmissions,
)
from telemetry_service.pipeline.queries.preview import Preview, build_preview
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.tab.forms.settings_form import SettingsForm, read_form
from telemetry_service.web.tab.labels import RETENTION
from telemetry_service.web.tab.sections import activity as activities
from telemetry_service.web.tab.sections.health import health_view
from telemetry_service.web.tab.sections.history import PAGE_SIZE, HistoryQuery, HistoryView, history_view
from telemetry_service.web.tab.sections.preview import preview_view
from telemetry_service.web.tab.sections.settings import SettingsView, differences, settings_view

WHOLE_HISTORY = HistoryQuery(HistoryFilter())
_CURSOR_UNKNOWN = "That page of the history does not exist, so the newest page is shown."


@dataclass(frozen=True, slots=True)
class Typed:
    """A form that was not saved: what was chosen in it, and what is the matter."""

    values: Configuration
    errors: Mapping[str, str] = field(default_factory=dict)
    stale: bool = False
    resumed: bool = False
    """Whether it comes from before a login."""
    key_dropped: bool = False


def contents(
    runtime: Runtime,
    place: HistoryQuery = WHOLE_HISTORY,
    typed: Typed | None = None,
    *,
    all_activity: bool = False,
    with_form: bool = True,
) -> dict[str, Any]:
    """Return what the sections show, by the names that the templates use.

    Where the form itself is not shown, the rows that each retention would delete need not be counted.
    """
    now = runtime.clock.now()
    configuration = read_now(runtime, read_configuration)
    preview = read_now(runtime, build_preview)
    rows = _rows(runtime, configuration) if with_form else {}
    settings = _settings(configuration, preview, typed, rows, now)
    return {
        "health": health_view(configuration.verdict, now),
        "settings": settings,
        "preview": preview_view(preview),
        "history": history(runtime, place, configuration.verdict),
        **activity(runtime, whole=all_activity),
        "toast": None,
        "test": None,
        "running": False,
        "streamed": False,
        "revealed_key": None,
        "reveal_wrong": None,
        "key_removed": False,
        "dialog": None,
        "drawer": None,
        "standalone": True,
        "oob": False,
    }


def typed_in(runtime: Runtime, form: SettingsForm) -> Typed:
    """Keep what else was chosen in a form that is not being saved: what it was sent for must not undo it."""
    configuration = read_now(runtime, read_configuration)
    read = read_form(form, configuration.stored, locked=configuration.locked)
    return Typed(read.values, key_dropped=bool(form.api_key))


def history(runtime: Runtime, place: HistoryQuery, verdict: Verdict) -> HistoryView:
    """Return one page of the history; an unknown cursor leads to the newest page, and says so."""
    try:
        page = _page(runtime, place)
    except CursorInvalidError:
        return history(runtime, replace(place, cursor=None, wrong=_CURSOR_UNKNOWN), verdict)
    if page.newer_cursor is None:
        place = replace(place, cursor=None)  # Turning back has led to the newest page, which has one address.
    return history_view(page, place, verdict)


def _page(runtime: Runtime, place: HistoryQuery) -> HistoryPage:
    if place.cursor is not None and is_newer_cursor(place.cursor):
        return read_now(runtime, list_newer_transmissions, place.filter, place.cursor, PAGE_SIZE)
    return read_now(runtime, list_transmissions, place.filter, place.cursor, PAGE_SIZE)


def activity(runtime: Runtime, *, whole: bool) -> dict[str, Any]:
    """Return the activity list, and whether there is more of it."""
    now = runtime.clock.now()
    entries = read_now(runtime, list_activity, activities.LONGER)
    shown = entries if whole else entries[: activities.SHOWN]
    return {
        "activity": tuple(activities.activity_view(entry, now) for entry in shown),
        "more_activity": len(shown) < len(entries),
    }


def _rows(runtime: Runtime, configuration: ConfigurationView) -> dict[int, int]:
    shorter = (days for days in RETENTION if days < configuration.stored.values.retention_days)
    return {days: read_now(runtime, count_rows_to_purge, days) for days in shorter}


def _settings(
    configuration: ConfigurationView, preview: Preview, typed: Typed | None, rows: Mapping[int, int], now: datetime
) -> SettingsView:
    saved = configuration.values
    shown = typed.values if typed else saved
    view = settings_view(configuration, preview, shown, rows, now)
    if typed is None:
        return view
    return replace(
        view,
        errors=typed.errors,
        unsaved=typed.stale or typed.resumed or bool(typed.errors) or shown != saved,
        stale=typed.stale,
        resumed=typed.resumed,
        differences=differences(saved, shown) if typed.stale or typed.resumed else (),
        key_dropped=typed.key_dropped,
    )

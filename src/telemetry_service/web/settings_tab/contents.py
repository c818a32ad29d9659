"""Reads everything that the tab shows, and turns it into its view models."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import CursorInvalidError
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.activity import list_activity
from telemetry_service.pipeline.configure import ConfigurationView, read_configuration, rows_to_purge
from telemetry_service.pipeline.history import (
    HistoryFilter,
    HistoryPage,
    is_newer_cursor,
    list_newer_transmissions,
    list_transmissions,
)
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.preview import Preview, build_preview
from telemetry_service.web.settings_tab import activity_view as activities
from telemetry_service.web.settings_tab.health_view import health_view
from telemetry_service.web.settings_tab.history_view import PAGE_SIZE, HistoryPlace, HistoryView, history_view
from telemetry_service.web.settings_tab.preview_view import preview_view
from telemetry_service.web.settings_tab.settings_form import SettingsForm, read_form
from telemetry_service.web.settings_tab.settings_view import SettingsView, differences, settings_view
from telemetry_service.web.settings_tab.words import RETENTION

WHOLE_HISTORY = HistoryPlace(HistoryFilter())
_CURSOR_UNKNOWN = "This page of the history is not known, so the newest one is shown."


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
    installation: Installation,
    place: HistoryPlace = WHOLE_HISTORY,
    typed: Typed | None = None,
    *,
    all_activity: bool = False,
    with_form: bool = True,
) -> dict[str, Any]:
    """Return what the sections show, by the names that the templates use.

    Where the form itself is not shown, the rows that each retention would delete need not be counted.
    """
    now = installation.clock.now()
    configuration = read_configuration(installation)
    preview = build_preview(installation)
    rows = _rows(installation, configuration) if with_form else {}
    settings = _settings(configuration, preview, typed, rows, now)
    return {
        "health": health_view(configuration.verdict, now),
        "settings": settings,
        "preview": preview_view(preview),
        "history": history(installation, place, configuration.verdict),
        **activity(installation, whole=all_activity),
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


def typed_in(installation: Installation, form: SettingsForm) -> Typed:
    """Keep what else was chosen in a form that is not being saved: what it was sent for must not undo it."""
    configuration = read_configuration(installation)
    read = read_form(form, configuration.stored, locked=configuration.locked)
    return Typed(read.values, key_dropped=bool(form.api_key))


def history(installation: Installation, place: HistoryPlace, verdict: Verdict) -> HistoryView:
    """Return one page of the history; an unknown cursor leads to the newest page, and says so."""
    try:
        page = _page(installation, place)
    except CursorInvalidError:
        return history(installation, replace(place, cursor=None, wrong=_CURSOR_UNKNOWN), verdict)
    if page.newer_cursor is None:
        place = replace(place, cursor=None)  # Turning back has led to the newest page, which has one address.
    return history_view(page, place, verdict)


def _page(installation: Installation, place: HistoryPlace) -> HistoryPage:
    if place.cursor is not None and is_newer_cursor(place.cursor):
        return list_newer_transmissions(installation, place.filter, place.cursor, PAGE_SIZE)
    return list_transmissions(installation, place.filter, place.cursor, PAGE_SIZE)


def activity(installation: Installation, *, whole: bool) -> dict[str, Any]:
    """Return the activity list, and whether there is more of it."""
    now = installation.clock.now()
    entries = list_activity(installation, activities.LONGER)
    shown = entries if whole else entries[: activities.SHOWN]
    return {
        "activity": tuple(activities.activity_view(entry, now) for entry in shown),
        "more_activity": len(shown) < len(entries),
    }


def _rows(installation: Installation, configuration: ConfigurationView) -> dict[int, int]:
    shorter = (days for days in RETENTION if days < configuration.stored.values.retention_days)
    return {days: rows_to_purge(installation, days) for days in shorter}


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

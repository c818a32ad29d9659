"""The read-only routes of the tab, its fragments and its dialogs."""

from typing import Any
from uuid import UUID

from fastapi.responses import Response

from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import public, viewer_page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import forget_unsaved_form, read_unsaved_form, resumed
from telemetry_service.web.tab.history_query import HistoryQuery, history_query_of
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.sections.history import history_section
from telemetry_service.web.tab.sections.transmission import transmission_section
from telemetry_service.web.tab.views import (
    BESIDE_ROWS,
    DRAWER,
    FILTERS,
    OF_THE_CONNECTION,
    OF_THE_DRAWER,
    OF_THE_OVERVIEW,
    OVERVIEW,
    ROWS,
    SETTINGS,
    connection_view,
    followed,
    overview,
    settings_view,
)
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

_PAYLOAD = "telemetry/payload/dialog.html"
_EVIDENCE = "telemetry/drawer/evidence.html"

router = Topic("tab", described=False)


@router.get(paths.TAB)
@viewer_page
def show_overview(visit: CurrentVisit) -> Response:
    """Show what one comes for daily. Unsaved settings of a session that had ended lead to the settings."""
    if read_unsaved_form(visit.request) is not None:
        return see_other(paths.SETTINGS)
    return _page(visit, OVERVIEW, read_now(visit.runtime, overview, history_query_of(visit.request.query_params)))


@router.get(paths.SETTINGS)
@viewer_page
def show_settings(
    visit: CurrentVisit,
    entering: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Show the settings, with the changes that a session left unsaved, and delete these from the browser."""
    with open_snapshot(visit.runtime) as snapshot:
        shown = settings_view(snapshot, resumed(visit.request, read_configuration(snapshot)))
    shown |= {"entering": entering, "focus_key": entering}
    return forget_unsaved_form(visit.request, _page(visit, SETTINGS, shown))


def lead_to_the_tab() -> Response:
    """Lead from what the breadcrumbs name above the tab to the tab."""
    return see_other(paths.TAB)


for path in paths.ABOVE:
    router.get(path)(public(lead_to_the_tab))


@router.get(paths.HISTORY)
@viewer_page
def show_history(visit: CurrentVisit) -> Response:
    """Show one page of the history; a browser that requests it directly gets the whole tab."""
    if not visit.htmx:
        return see_other(f"{paths.TAB}?{visit.request.url.query}#history")
    query = history_query_of(visit.request.query_params)
    # After going back, the fields of the filters show what is filtered by, too.
    beside = (*BESIDE_ROWS, FILTERS) if "x-restored" in visit.request.headers else BESIDE_ROWS
    return visit.fragments(ROWS, read_now(visit.runtime, history_section, query), *beside)


@router.get(paths.LIVE)
@viewer_page
def show_live(visit: CurrentVisit) -> Response:
    """Show again what changes on its own to htmx, which asks every few seconds; a browser gets the page.

    Of the overview, this includes an open drawer, and of the settings, only what is said about the connection.
    """
    if not visit.htmx:
        return see_other(paths.TAB)
    beside: tuple[str, ...]
    if visit.from_overview:
        shown = read_now(visit.runtime, followed, visit.query_behind, visit.followed)
        beside = (*OF_THE_OVERVIEW, *OF_THE_DRAWER) if "drawer" in shown else OF_THE_OVERVIEW
    else:
        shown, beside = read_now(visit.runtime, connection_view), OF_THE_CONNECTION
    return visit.live(shown, *beside)


@router.get(f"{paths.HISTORY}/{{transmission_id}}")
@viewer_page
def show_transmission(visit: CurrentVisit, transmission_id: UUID) -> Response:
    """Show one transmission in its drawer, which has its own address."""
    query = history_query_of(visit.request.query_params)
    with open_snapshot(visit.runtime) as snapshot:
        shown = transmission_section(snapshot, transmission_id, query)
        if not visit.htmx:
            shown |= overview(snapshot, query)
    return visit.fragments(DRAWER, shown) if visit.htmx else _page(visit, OVERVIEW, shown)


@router.get(f"{paths.HISTORY}/{{transmission_id}}/evidence")
@viewer_page
def show_evidence(visit: CurrentVisit, transmission_id: UUID) -> Response:
    """Show everything about one transmission on a sheet to print and file."""
    shown = read_now(visit.runtime, transmission_section, transmission_id, HistoryQuery())
    return visit.page(_EVIDENCE, shown | {"sheet": True})


@router.get(paths.PAYLOAD)
@viewer_page
def show_payload(visit: CurrentVisit) -> Response:
    """Show exactly what would be sent if the period ended now."""
    if visit.htmx:
        return visit.fragments(_PAYLOAD, {"preview": read_now(visit.runtime, build_preview)})
    shown = read_now(visit.runtime, overview, history_query_of(visit.request.query_params))
    return _page(visit, OVERVIEW, shown | {"dialog": _PAYLOAD})


@router.get(paths.PAYLOAD_FILE)
@viewer_page
def download_payload(context: Context) -> Response:
    """Download what would be sent, in its canonical form."""
    payload = read_now(context.runtime, build_preview).payload or {}
    name = 'attachment; filename="telemetry-payload.json"'
    return Response(canonical_json(payload), media_type="application/json", headers={"Content-Disposition": name})


@router.get(paths.LOGGED_IN)
@viewer_page
def show_logged_in(visit: CurrentVisit) -> Response:
    """Send the person back to the console. The form that the browser keeps is for the frame there."""
    return visit.page("logged_in.html", {})


def _page(visit: Visit, view: str, shown: dict[str, Any]) -> Response:
    """Respond with a whole view, and the message that a redirect names."""
    return visit.page(view, shown | {"toast": message(visit.request.query_params.get("done"))})

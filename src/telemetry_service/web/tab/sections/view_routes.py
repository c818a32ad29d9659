"""The read-only routes of the tab, its fragments and its dialogs."""

from typing import Any
from uuid import UUID

from fastapi.responses import Response

from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot, read_now
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import viewer_page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import forget_unsaved_form, resumed
from telemetry_service.web.tab.history_query import history_query_of
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page import (
    DRAWER,
    EVERYTHING_BUT_THE_FORM,
    HISTORY,
    PAGE,
    page_sections,
    sections_beside_the_form,
)
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.sections.history import history_section
from telemetry_service.web.tab.sections.transmission import transmission_section
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

_PAYLOAD = "telemetry/payload.html"

router = Topic("tab", described=False)


@router.get(paths.TAB)
@viewer_page
def show_tab(visit: CurrentVisit) -> Response:
    """Show the whole tab."""
    with open_snapshot(visit.runtime) as snapshot:
        return _page(visit, _page_sections(visit, snapshot))


@router.get(paths.HISTORY)
@viewer_page
def show_history(visit: CurrentVisit) -> Response:
    """Show one page of the history; a browser that requests it directly gets the whole tab."""
    if not visit.htmx:
        return see_other(f"{paths.TAB}?{visit.request.url.query}#history")
    query = history_query_of(visit.request.query_params)
    # Choosing another filter changes nothing else, but a finished transmission may change everything.
    if "x-polling" not in visit.request.headers:
        return visit.fragments(HISTORY, read_now(visit.runtime, history_section, query))
    beside = (name for name in EVERYTHING_BUT_THE_FORM if name != HISTORY)
    return visit.fragments(HISTORY, read_now(visit.runtime, sections_beside_the_form, query), *beside)


@router.get(f"{paths.HISTORY}/{{transmission_id}}")
@viewer_page
def show_transmission(visit: CurrentVisit, transmission_id: UUID) -> Response:
    """Show one transmission in its drawer, which has its own address."""
    query = history_query_of(visit.request.query_params)
    with open_snapshot(visit.runtime) as snapshot:
        shown = transmission_section(snapshot, transmission_id, query)
        if not visit.htmx:
            shown |= _page_sections(visit, snapshot)
    return visit.fragments(DRAWER, shown) if visit.htmx else _page(visit, shown)


@router.get(paths.PAYLOAD)
@viewer_page
def show_payload(visit: CurrentVisit) -> Response:
    """Show exactly what would be sent if the period ended now."""
    with open_snapshot(visit.runtime) as snapshot:
        shown = {"preview": build_preview(snapshot)} if visit.htmx else _page_sections(visit, snapshot)
    return visit.fragments(_PAYLOAD, shown) if visit.htmx else _page(visit, shown | {"dialog": _PAYLOAD})


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


def _page_sections(visit: Visit, snapshot: Snapshot) -> dict[str, Any]:
    typed = resumed(visit.request, read_configuration(snapshot))
    query = history_query_of(visit.request.query_params)
    return page_sections(snapshot, query, typed)


def _page(visit: Visit, shown: dict[str, Any]) -> Response:
    """Respond with the whole tab, and delete the kept form, which it now shows."""
    toast = message(visit.request.query_params.get("done"))
    return forget_unsaved_form(visit.request, visit.page(PAGE, shown | {"toast": toast}))

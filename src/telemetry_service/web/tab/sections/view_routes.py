"""The tab, its fragments and its dialogs, as far as they only look."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot, read_now
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import forget_draft, resumed
from telemetry_service.web.tab.history_query import history_query_of
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page import (
    ACTIVITY,
    EVERYTHING_BUT_THE_FORM,
    HISTORY,
    PAGE,
    page_sections,
    sections_beside_the_form,
)
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context
from telemetry_service.web.tab.sections.activity import activity_section
from telemetry_service.web.tab.sections.history import history_section
from telemetry_service.web.tab.sections.transmission import transmission_section

DRAWER = "telemetry/drawer.html"
_PAYLOAD = "telemetry/payload.html"
_SEND_NOW = "telemetry/send_now.html"

router = APIRouter(include_in_schema=False)


@router.get(paths.TAB)
@page
def show_tab(
    request: Request,
    context: Context,
    session: CurrentSession,
    fragment: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """Show the whole tab: as a page, or as the fragment that a host console loads."""
    whole = request.query_params.get("activity") == "all"
    with open_snapshot(context.runtime) as snapshot:
        shown = _page_sections(request, snapshot, all_activity=whole) | session_context(session)
    if fragment:
        answer = pages_of(request).fragments(request, "telemetry/tab.html", (), shown | {"standalone": False})
        return forget_draft(request, answer)
    return _page(request, shown)


@router.get(paths.HISTORY)
@page
def show_history(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show one page of the history; a browser that asks for it directly finds it in the tab."""
    if not is_htmx(request):
        return RedirectResponse(f"{paths.TAB}?{request.url.query}#history", HTTPStatus.SEE_OTHER)
    query = history_query_of(request.query_params)
    # Who only chooses another filter has seen the rest; what was in flight may have changed all of it.
    polling = "x-polling" in request.headers
    with open_snapshot(context.runtime) as snapshot:
        shown = sections_beside_the_form(snapshot, query) if polling else history_section(snapshot, query)
    shown |= session_context(session)
    beside = tuple(name for name in EVERYTHING_BUT_THE_FORM if name != HISTORY) if polling else ()
    return pages_of(request).fragments(request, HISTORY, beside, shown)


@router.get(paths.ACTIVITY)
@page
def show_activity(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show the longer activity list."""
    if not is_htmx(request):
        return RedirectResponse(f"{paths.TAB}?activity=all#activity", HTTPStatus.SEE_OTHER)
    shown = read_now(context.runtime, activity_section, whole=True) | session_context(session)
    return pages_of(request).fragments(request, ACTIVITY, (), shown)


@router.get(f"{paths.HISTORY}/{{transmission_id}}")
@page
def show_transmission(request: Request, context: Context, session: CurrentSession, transmission_id: UUID) -> Response:
    """Show one transmission in its drawer; it has an address of its own."""
    query = history_query_of(request.query_params)
    with open_snapshot(context.runtime) as snapshot:
        shown = transmission_section(snapshot, transmission_id, query)
        if not is_htmx(request):
            shown |= _page_sections(request, snapshot)
    shown |= session_context(session)
    return pages_of(request).fragments(request, DRAWER, (), shown) if is_htmx(request) else _page(request, shown)


@router.get(paths.PAYLOAD)
@page
def show_payload(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show exactly what would leave if the period ended now."""
    with open_snapshot(context.runtime) as snapshot:
        if is_htmx(request):
            return pages_of(request).fragments(request, _PAYLOAD, (), {"preview": build_preview(snapshot)})
        shown = _page_sections(request, snapshot)
    shown |= session_context(session)
    return _page(request, shown | {"dialog": _PAYLOAD})


@router.get(paths.PAYLOAD_FILE)
@page
def download_payload(context: Context) -> Response:
    """Download what would leave, in its canonical form."""
    payload = read_now(context.runtime, build_preview).payload or {}
    name = 'attachment; filename="telemetry-payload.json"'
    return Response(canonical_json(payload), media_type="application/json", headers={"Content-Disposition": name})


@router.get(paths.SEND_NOW)
@page
def ask_send_now(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show the payload before it is sent. The form holds the key that makes pressing twice harmless."""
    return send_now_dialog(request, context.runtime, session_context(session))


def send_now_dialog(request: Request, runtime: Runtime, shared: dict[str, Any], changed: str | None = None) -> Response:
    """Answer with the dialog; ``changed`` says why it is shown again."""
    shown = {"preview": read_now(runtime, build_preview)} | shared
    shown |= {"changed": changed, "request_key": str(uuid4())}
    pages = pages_of(request)
    if not is_htmx(request):
        status = HTTPStatus.PRECONDITION_FAILED if changed else HTTPStatus.OK
        return pages.page(request, "telemetry/alone.html", shown | {"dialog": _SEND_NOW}, status)
    return pages.dialog(request, _SEND_NOW, shown) if changed else pages.fragments(request, _SEND_NOW, (), shown)


def _page_sections(request: Request, snapshot: Snapshot, *, all_activity: bool = False) -> dict[str, Any]:
    typed = resumed(request, read_configuration(snapshot))
    query = history_query_of(request.query_params)
    return page_sections(snapshot, query, typed, all_activity=all_activity)


def _page(request: Request, shown: dict[str, Any]) -> Response:
    """Answer with the whole tab; what came back in its form from before a login is not kept any longer."""
    shown |= {"toast": message(request.query_params.get("done"))}
    return forget_draft(request, pages_of(request).page(request, PAGE, shown))

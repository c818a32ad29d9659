"""The tab, its fragments and its dialogs, as far as they only look."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import forget_draft, resumed
from telemetry_service.web.tab.history_query import history_query_of
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page_context import activity, contents
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context
from telemetry_service.web.tab.sections.payload import payload_view
from telemetry_service.web.tab.sections.transmission import transmission_view

PAGE = "telemetry/page.html"
_EVERYTHING_BUT_THE_FORM = ("telemetry/health.html", "telemetry/preview.html", "telemetry/activity.html")

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
    place = history_query_of(request.query_params)
    whole = request.query_params.get("activity") == "all"
    typed = resumed(request, read_now(context.runtime, read_configuration))
    shown = contents(context.runtime, place, typed, all_activity=whole) | session_context(session)
    if fragment:
        answer = pages_of(request).fragments(request, "telemetry/tab.html", (), shown | {"standalone": False})
        return forget_draft(request, answer)
    return _page(request, shown | {"toast": message(request.query_params.get("done"))})


@router.get(paths.HISTORY)
@page
def show_history(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show one page of the history; a browser that asks for it directly finds it in the tab."""
    if not is_htmx(request):
        return RedirectResponse(f"{paths.TAB}?{request.url.query}#history", HTTPStatus.SEE_OTHER)
    shown = contents(context.runtime, history_query_of(request.query_params), with_form=False)
    shown |= session_context(session)
    # Who only chooses another filter has seen the rest; what was in flight may have changed all of it.
    beside = _EVERYTHING_BUT_THE_FORM if "x-polling" in request.headers else ()
    return pages_of(request).fragments(request, "telemetry/history.html", beside, shown)


@router.get(paths.ACTIVITY)
@page
def show_activity(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show the longer activity list."""
    if not is_htmx(request):
        return RedirectResponse(f"{paths.TAB}?activity=all#activity", HTTPStatus.SEE_OTHER)
    shown = activity(context.runtime, whole=True) | session_context(session)
    return pages_of(request).fragments(request, "telemetry/activity.html", (), shown)


@router.get(f"{paths.HISTORY}/{{transmission_id}}")
@page
def show_transmission(request: Request, context: Context, session: CurrentSession, transmission_id: UUID) -> Response:
    """Show one transmission in its drawer; it has an address of its own."""
    place = history_query_of(request.query_params)
    detail = read_now(context.runtime, read_transmission, transmission_id)
    if is_htmx(request):
        shown = contents(context.runtime, place, with_form=False) | session_context(session)
        shown |= drawer(context.runtime, detail, shown)
        return pages_of(request).fragments(request, "telemetry/drawer.html", (), shown)
    typed = resumed(request, read_now(context.runtime, read_configuration))
    shown = contents(context.runtime, place, typed) | session_context(session)
    shown |= drawer(context.runtime, detail, shown)
    return _page(request, shown | {"toast": message(request.query_params.get("done"))})


@router.get(paths.PAYLOAD)
@page
def show_payload(request: Request, context: Context, session: CurrentSession) -> Response:
    """Show exactly what would leave if the period ended now."""
    payload = {"payload": payload_view(read_now(context.runtime, build_preview))}
    if is_htmx(request):
        return pages_of(request).fragments(request, "telemetry/payload.html", (), payload)
    typed = resumed(request, read_now(context.runtime, read_configuration))
    shown = contents(context.runtime, typed=typed) | session_context(session) | payload
    return _page(request, shown | {"dialog": "telemetry/payload.html"})


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
    """Answer with the dialog; ``changed`` says why it is shown anew."""
    shown = contents(runtime, with_form=False) | shared | {"changed": changed, "request_key": str(uuid4())}
    shown |= {"payload": payload_view(read_now(runtime, build_preview))}
    pages = pages_of(request)
    if not is_htmx(request):
        status = HTTPStatus.PRECONDITION_FAILED if changed else HTTPStatus.OK
        dialog = {"dialog": "telemetry/send_now.html"}
        return pages.page(request, "telemetry/alone.html", shown | dialog, status)
    response = pages.fragments(request, "telemetry/send_now.html", (), shown)
    if changed:
        response.headers["HX-Retarget"] = "#dialog-place"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _page(request: Request, shown: dict[str, Any]) -> Response:
    """Answer with the whole tab; what came back in its form from before a login is not kept any longer."""
    return forget_draft(request, pages_of(request).page(request, PAGE, shown))


def drawer(runtime: Runtime, detail: TransmissionDetail, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what the drawer needs beside the tab's contents ``shown``."""
    history = shown["history"]
    found = detail.transmission
    proof = read_now(runtime, prove, found, detail.attempts[-1]) if detail.attempts else None
    key = read_now(runtime, read_configuration).stored.api_key
    key_id = key.key_id if key else None
    return {
        "drawer": transmission_view(detail, proof, key_id),
        "drawer_url": paths.transmission(found.transmission_id, history.own_query),
        "history_query": history.own_query,
    }

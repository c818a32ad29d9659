"""*Remove API key*: asked first, for nothing can be sent without one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.domain.phrases import payloads_kept
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentCaller, CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SettingsForm, typed_form
from telemetry_service.web.tab.forms.settings_routes import BESIDE
from telemetry_service.web.tab.history_query import history_query_behind
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page import NO_DIALOG, SETTINGS, page_sections
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context

_REMOVED = "key-removed"

router = APIRouter(include_in_schema=False)


@router.get(paths.REMOVE_KEY)
@page
def ask_remove_api_key(request: Request, context: Context, session: CurrentSession) -> Response:
    """Say what stops, and what happens to the payloads that wait."""
    with open_snapshot(context.runtime) as snapshot:
        key, waiting = snapshot.configuration.api_key, snapshot.situation.waiting.total
    shown = session_context(session) | {
        "hint": key.hint if key else None,
        "waiting": payloads_kept(waiting, "once a new key is saved"),
    }
    if is_htmx(request):
        return pages_of(request).fragments(request, "telemetry/remove_key.html", (), shown)
    return pages_of(request).page(request, "telemetry/alone.html", shown | {"dialog": "telemetry/remove_key.html"})


@router.post(paths.REMOVE_KEY)
@page
def remove_key(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    form: Annotated[SettingsForm, Form()],
) -> Response:
    """Forget the API key. What else was changed in the form stays there, not saved."""
    runtime = context.runtime
    remove_api_key(runtime, caller.actor)
    if not is_htmx(request):
        return RedirectResponse(f"{paths.TAB}?done={_REMOVED}", HTTPStatus.SEE_OTHER)
    with open_snapshot(runtime) as snapshot:
        typed = typed_form(form, read_configuration(snapshot))
        shown = page_sections(snapshot, history_query_behind(request), typed) | session_context(session)
    shown |= {"toast": message(_REMOVED), "key_removed": True}
    return pages_of(request).fragments(request, SETTINGS, (*BESIDE, NO_DIALOG), shown)

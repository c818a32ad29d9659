"""*Remove API key*: asked first, for nothing can be sent without one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.domain.phrases import payloads_kept
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentCaller, CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SettingsForm
from telemetry_service.web.tab.forms.settings_routes import BESIDE
from telemetry_service.web.tab.history_query import history_query_behind
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page_context import contents, typed_in
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context

_REMOVED = "key-removed"

router = APIRouter(include_in_schema=False)


@router.get(paths.REMOVE_KEY)
@page
def ask_remove_api_key(request: Request, context: Context, session: CurrentSession) -> Response:
    """Say what stops, and what becomes of the payloads that wait."""
    key = read_now(context.runtime, read_configuration).stored.api_key
    waiting = read_now(context.runtime, read_health).waiting
    shown = session_context(session) | {
        "hint": key.hint if key else None,
        "waiting": payloads_kept(waiting, "once a new key is saved"),
        "toast": None,
        "oob": False,
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
    shown = contents(runtime, history_query_behind(request), typed_in(runtime, form)) | session_context(session)
    beside = (*BESIDE, "telemetry/no_dialog.html")
    return pages_of(request).fragments(
        request, "telemetry/settings.html", beside, shown | {"toast": message(_REMOVED), "key_removed": True}
    )

"""*Test Connection* and *Show*."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response, StreamingResponse

from telemetry_service.domain.configuration import api_key_error
from telemetry_service.domain.connection_check import OnStep, StepName, ignore_step
from telemetry_service.domain.errors import (
    KeyUnusableError,
    LoginFailedError,
    LoginThrottledError,
    NotConfiguredError,
    RecentLoginRequiredError,
    TelemetryError,
)
from telemetry_service.identity.sessions import Session
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import reveal_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.http.pools import checks_password, waits_for_license_server
from telemetry_service.web.security.authorization import CurrentCaller, CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SettingsForm, typed_form
from telemetry_service.web.tab.forms.step_stream import stream_steps
from telemetry_service.web.tab.history_query import HistoryQuery, history_query_behind
from telemetry_service.web.tab.page import ACTIVITY, HISTORY, NO_DIALOG, PAGE, page_sections, sections_beside_the_form
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context
from telemetry_service.web.tab.sections.activity import activity_section
from telemetry_service.web.tab.sections.connection_check import (
    ConnectionTestView,
    refused_view,
    result_view,
    running_view,
)

HIDE_AFTER_SECONDS = 30
_RESULT = "telemetry/connection_test.html"
_BESIDE = ("telemetry/health.html", HISTORY, ACTIVITY)

router = APIRouter(include_in_schema=False)


@router.post(paths.TEST_CONNECTION)
@page
@waits_for_license_server
def test_the_connection(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    form: Annotated[SettingsForm, Form()],
) -> Response:
    """Test with the key that was typed, else with the saved one. Nothing is saved by it."""
    runtime = context.runtime
    typed_key = form.api_key.strip() or None
    if is_htmx(request):
        return _stream(request, context, session, lambda on_step: _test(runtime, caller.actor, typed_key, on_step))
    shown = {"test": _test(runtime, caller.actor, typed_key)} | session_context(session)
    with open_snapshot(runtime) as snapshot:
        typed = typed_form(form, read_configuration(snapshot))
        shown |= page_sections(snapshot, HistoryQuery(), typed)
    return pages_of(request).page(request, PAGE, shown)


@router.post(paths.REVEAL)
@page
@checks_password
def show_api_key(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    password: Annotated[str | None, Form()] = None,
) -> Response:
    """Show the API key after a recent login, or after the password; it hides itself again."""
    runtime = context.runtime
    try:
        _authenticate(context, session, password)
    except RecentLoginRequiredError:
        return _ask_password(request, session, None)
    except LoginFailedError:
        return _ask_password(request, session, "Incorrect password.")
    except LoginThrottledError as refusal:
        return _ask_password(request, session, refusal.text)
    try:
        shown: dict[str, Any] = {"revealed_key": reveal_api_key(runtime, caller.actor), "reveal_wrong": None}
    except (NotConfiguredError, KeyUnusableError) as fault:
        shown = {"revealed_key": None, "reveal_wrong": fault.text}
    shown |= session_context(session) | {"hide_after": HIDE_AFTER_SECONDS}
    if is_htmx(request):
        shown |= read_now(runtime, activity_section)
        return pages_of(request).fragments(request, "telemetry/revealed_key.html", (ACTIVITY, NO_DIALOG), shown)
    shown |= read_now(runtime, page_sections, history_query_behind(request))
    response = pages_of(request).page(request, PAGE, shown)
    # Without JavaScript the browser itself leaves the page that shows the key.
    response.headers["Refresh"] = f"{HIDE_AFTER_SECONDS}; url={paths.TAB}"
    return response


def _stream(
    request: Request, context: WebContext, session: Session, test: Callable[[OnStep], ConnectionTestView]
) -> Response:
    """Answer with each step as it begins, and then as any other request of htmx is answered."""
    pages = pages_of(request)

    def running(step: StepName) -> str:
        return pages.text(_RESULT, {"test": running_view(step), "running": True, "streamed": True})

    def finished(result: ConnectionTestView) -> str:
        shown = read_now(context.runtime, sections_beside_the_form, history_query_behind(request))
        shown |= session_context(session) | {"test": result, "streamed": True}
        return pages.parts(_RESULT, _BESIDE, shown)

    # Proxies that hold answers back are asked not to.
    headers = {"Vary": "Cookie, HX-Request", "X-Accel-Buffering": "no"}
    steps = stream_steps(context.pools.exchanges, test, running, finished, lambda busy: refused_view(busy.text))
    return StreamingResponse(steps, media_type="text/html", headers=headers)


def _test(runtime: Runtime, actor: str, typed_key: str | None, on_step: OnStep = ignore_step) -> ConnectionTestView:
    if typed_key is not None and (fault := api_key_error(typed_key)) is not None:
        return refused_view(fault)
    try:
        result = check_connection(runtime, actor, typed_key, on_step)
    except TelemetryError as refusal:
        return refused_view(refusal.text)
    return result_view(result, unsaved_key=typed_key is not None)


def _authenticate(context: Context, session: Session, password: str | None) -> None:
    if password:
        context.authentication.sessions.reauthenticate(session, password)
    elif not session.is_recent(context.runtime.clock.now()):
        raise RecentLoginRequiredError


def _ask_password(request: Request, session: Session, wrong: str | None) -> Response:
    shown = {"relogin_wrong": wrong} | session_context(session)
    pages = pages_of(request)
    if not is_htmx(request):
        return pages.page(request, "telemetry/alone.html", shown | {"dialog": "telemetry/relogin.html"})
    return pages.dialog(request, "telemetry/relogin.html", shown)

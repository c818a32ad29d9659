"""*Send Now*, *Retry* and *Retry all failed*: the result is a message, the row's new state and the drawer."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.domain.errors import PreviewStaleError
from telemetry_service.domain.outcome import request_written
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.web.context import Context
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import CurrentCaller, CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_routes import BESIDE
from telemetry_service.web.tab.history_query import history_query_behind, history_query_in
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page import NO_DIALOG, sections_beside_the_form
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context
from telemetry_service.web.tab.sections.transmission import transmission_section
from telemetry_service.web.tab.sections.view_routes import DRAWER, send_now_dialog

router = APIRouter(include_in_schema=False)


@router.post(paths.SEND_NOW)
@page
@waits_for_license_server
def send(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    request_key: Annotated[UUID, Form()],
    shown: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Close the period and send it, if it is still what the dialog showed. The same form sent twice is one."""
    try:
        detail = send_now(context.runtime, caller.actor, str(request_key), frozenset({shown}))
    except PreviewStaleError as stale:
        return send_now_dialog(request, context.runtime, session_context(session), stale.text)
    token = _token(detail, "sent")
    if not is_htmx(request):
        return _to_transmission(detail, token)
    return _with_drawer(request, context, session_context(session), detail, token)


@router.post(f"{paths.HISTORY}/{{transmission_id}}/retry")
@page
@waits_for_license_server
def retry_one(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    transmission_id: UUID,
    in_drawer: Annotated[bool, Form(alias="drawer")] = False,  # noqa: FBT002 - a form's field
    query: Annotated[str, Form()] = "",
) -> Response:
    """Send the stored payload again, now."""
    detail = retry(context.runtime, transmission_id, caller.actor)
    token = _token(detail, "retried")
    if not is_htmx(request):
        return _to_transmission(detail, token) if in_drawer else _to_history(query, token)
    if in_drawer:
        return _with_drawer(request, context, session_context(session), detail, token)
    return _beside(request, context, session_context(session), token)


@router.post(paths.RETRY_FAILED)
@page
@waits_for_license_server
def retry_all(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    query: Annotated[str, Form()] = "",
) -> Response:
    """Send every failed transmission again, oldest first."""
    details = retry_failed(context.runtime, caller.actor)
    token = "all-retried" if all(map(_accepted, details)) else "some-retried"
    token = token if details else "none-failed"
    if not is_htmx(request):
        return _to_history(query, token)
    return _beside(request, context, session_context(session), token)


def _token(detail: TransmissionDetail, done: str) -> str:
    """Return the message of what became of a transmission; someone else may be sending it at this moment."""
    match detail.transmission.state:
        case State.SUCCESS:
            return done
        case State.PENDING:
            return "sending"
        case _:
            written = request_written(detail.transmission.cause, detail.transmission.response_code)
            return {True: f"{done}-failed", False: "not-sent", None: "unanswered"}[written]


def _accepted(detail: TransmissionDetail) -> bool:
    return detail.transmission.state is State.SUCCESS


def _to_transmission(detail: TransmissionDetail, token: str) -> Response:
    address = paths.transmission(detail.transmission.transmission_id, f"done={token}")
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def _to_history(query: str, token: str) -> Response:
    # The filters are read and written again, so that nothing else can travel through this redirect.
    parameters = "&".join(part for part in (str(history_query_in(query)), f"done={token}") if part)
    return RedirectResponse(f"{paths.TAB}?{parameters}#history", HTTPStatus.SEE_OTHER)


def _with_drawer(
    request: Request, context: Context, shared: dict[str, Any], detail: TransmissionDetail, token: str
) -> Response:
    query, transmission_id = history_query_behind(request), detail.transmission.transmission_id
    with open_snapshot(context.runtime) as snapshot:
        shown = sections_beside_the_form(snapshot, query) | transmission_section(snapshot, transmission_id, query)
    shown |= shared | {"toast": message(token)}
    return pages_of(request).fragments(request, DRAWER, (*BESIDE, NO_DIALOG), shown)


def _beside(request: Request, context: Context, shared: dict[str, Any], token: str) -> Response:
    shown = read_now(context.runtime, sections_beside_the_form, history_query_behind(request))
    return pages_of(request).fragments(request, None, BESIDE, shown | shared | {"toast": message(token)})

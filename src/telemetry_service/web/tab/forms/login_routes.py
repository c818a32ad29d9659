"""Log in and log out."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from telemetry_service.domain.errors import LocalLoginClosedError, LoginFailedError, LoginThrottledError
from telemetry_service.identity.sessions import Session
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.http.pools import logs_in
from telemetry_service.web.security.authorization import (
    CurrentCaller,
    CurrentLogin,
    CurrentStranger,
    public,
    viewer_page,
)
from telemetry_service.web.security.browsers import browser_of
from telemetry_service.web.security.cookies import read_device_cookie, read_session_cookie, set_device_cookie
from telemetry_service.web.security.gateway import is_vouched_for
from telemetry_service.web.security.new_session import begin_session, session_of
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.appearance import local_address
from telemetry_service.web.tab.forms.access_routes import forget_session, logged_out
from telemetry_service.web.tab.forms.login_page import login_page, login_refused
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.get("/")
@public
def show_root() -> Response:
    """Redirect to the tab, which redirects to the login if no one is logged in."""
    return see_other(paths.TAB)


@router.get(paths.LOGIN)
@public
def show_login(
    request: Request,
    context: Context,
    next: str = paths.TAB,  # noqa: A002 - the parameter's name
    ended: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Show the login, and say that the session has ended if it interrupted something.

    Who is logged in continues to the page. If the console says who that is, its word counts there, right or wrong.
    """
    if is_vouched_for(request, context) or session_of(request, context) is not None:
        return see_other(local_address(next))
    return login_page(request, context, next, ended=ended)


@router.post(paths.LOGIN)
@public
@logs_in(login_refused)
def log_in(
    request: Request,
    context: Context,
    caller: CurrentStranger,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = paths.TAB,  # noqa: A002 - the field's name
) -> Response:
    """Open a session and redirect to the requested page. A wrong login keeps the name that was typed."""
    device = context.authentication.devices.read(read_device_cookie(request))
    try:
        _check_open(context)
        opened = context.authentication.sessions.log_in(name, password, caller, device, browser_of(request))
    except (LoginFailedError, LoginThrottledError, LocalLoginClosedError) as refusal:
        return login_refused(request, context, next, refusal, name)
    response = see_other(local_address(next))
    begin_session(request, response, context, caller, opened.token)
    if opened.device_cookie is not None:
        set_device_cookie(request, response, opened.device_cookie)
    return response


@router.post(paths.LOGOUT)
@viewer_page
def log_out(request: Request, context: Context, caller: CurrentCaller, login: CurrentLogin) -> Response:
    """End the session, and any that the browser still has beside what the console says."""
    if not isinstance(login, Session):
        # The console says who is logged in. Without it, the session of an earlier login would count again.
        context.authentication.sessions.end_presented(read_session_cookie(request), caller.actor)
        return forget_session(request, see_other(paths.TAB))
    context.authentication.sessions.log_out(login, caller.actor)
    return logged_out(request, login)


def _check_open(context: WebContext) -> None:
    if not context.authentication.accounts.is_login_open():
        raise LocalLoginClosedError

"""*Access*: who is logged in where, and the local administrator's password. Plain forms, without scripts."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import Response

from telemetry_service.domain.errors import (
    LoginFailedError,
    LoginThrottledError,
    NotFoundError,
    RecentLoginRequiredError,
)
from telemetry_service.identity.accounts import LOGIN
from telemetry_service.identity.login import Login
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.sessions import Place, Session, is_local_session
from telemetry_service.identity.tokens import ServiceTokens, TokenFacts
from telemetry_service.web.errors.problem import problem_of
from telemetry_service.web.http.addresses import caller_address
from telemetry_service.web.http.place import place_of
from telemetry_service.web.http.pools import checks_password
from telemetry_service.web.security.authorization import page, viewer_page
from telemetry_service.web.security.browsers import browser_of
from telemetry_service.web.security.cookies import (
    clear_login_page,
    clear_provider_cookies,
    clear_session_cookie,
    provider_cookies,
    set_device_cookie,
    set_session_cookie,
)
from telemetry_service.web.security.new_session import renew_session
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import forget_unsaved_form
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

ACCESS = "telemetry/access/page.html"
_OTHERS, _ALL = "others", "all"
_ENDED, _OTHERS_ENDED, _GONE, _CHANGED = "sessions-ended", "others-ended", "sessions-gone", "password-changed"
_OWN, _OTHERS_TOO = "confirm-own", "confirm-others"
"""The fields for the password of someone who logged in a while ago."""
_DIFFERENT = "The new password and its repetition are different."

router = Topic("tab", described=False)


def logged_out(request: Request, login: Login) -> Response:
    """Return to the login, or lead to the log-out of the provider."""
    return forget_session(request, see_other(paths.LOGIN if _is_local(login) else paths.PROVIDER_ENDED))


def forget_session(request: Request, response: Response) -> Response:
    """Delete the cookies of a session that has ended, and what the browser has cached."""
    clear_session_cookie(request, response)
    # A login that another tab has begun must not undo the log-out.
    clear_provider_cookies(request, response, provider_cookies(request))
    clear_login_page(request, response)
    place = place_of(request)
    # This header concerns a whole origin, so below a path and in a frame it is left to the console.
    if not place.prefix and not place.embedded:
        response.headers["Clear-Site-Data"] = '"cache"'
    return forget_unsaved_form(request, response)


@router.get(paths.ACCESS)
@viewer_page
def show_access(visit: CurrentVisit, done: Annotated[str | None, Query()] = None) -> Response:
    """Show where the person is logged in, the password form, and, to administrators, the service tokens."""
    return visit.page(ACCESS, _shown(visit) | {"toast": message(done)})


def _checks(*, visit: Visit, password: str, which: str, **_given: object) -> bool:
    """Whether the password decides if sessions end."""
    return which != _current(visit) and bool(password) and is_local_session(visit.login) and _must_confirm(visit)


def _must_confirm(visit: Visit) -> bool:
    return not visit.login.may_end_others(visit.runtime.clock.now())


@router.post(paths.END_SESSIONS)
@viewer_page
@checks_password(_checks)
def end_sessions(visit: CurrentVisit, which: Annotated[str, Form()], password: Annotated[str, Form()] = "") -> Response:
    """End one session, all others, or all. All but the own one take a login of the last ten minutes."""
    if which == _current(visit):
        return _ended(visit, which)
    chosen = which if which in {_OTHERS, _ALL} else _id_in(which)
    return _confirmed(visit, password, _OWN, lambda: _ended(visit, str(chosen)))


@router.post(paths.END_OTHERS)
@page
@checks_password(_checks)
def end_others(visit: CurrentVisit, which: Annotated[str, Form()], password: Annotated[str, Form()] = "") -> Response:
    """End the sessions of another person, or of everyone else, after a login of the last ten minutes."""
    person_id = None if which == _ALL else _id_in(which)
    return _confirmed(visit, password, _OTHERS_TOO, lambda: _others_ended(visit, person_id))


def _ended(visit: Visit, which: str) -> Response:
    sessions = visit.context.authentication.own_sessions
    if which in {_OTHERS, _ALL}:
        sessions.end_all(visit.login.person, visit.actor, _id_of(visit.login) if which == _OTHERS else None)
    else:
        sessions.end(visit.login.person, UUID(which), visit.actor)
    if which in {_ALL, _current(visit)}:
        return logged_out(visit.request, visit.login) if visit.login.ends_here else see_other(paths.ACCESS)
    return see_other(f"{paths.ACCESS}?done={_ENDED}")


def _others_ended(visit: Visit, person_id: UUID | None) -> Response:
    others = visit.context.authentication.others_sessions
    if person_id is None:
        others.end_all(visit.login.person, visit.actor)
    else:
        others.end(visit.login.person, person_id, visit.actor)
    return see_other(f"{paths.ACCESS}?done={_OTHERS_ENDED}")


def _confirmed(visit: Visit, password: str, field: str, end: Callable[[], Response]) -> Response:
    """End sessions if the person has just proved who it is, or does so with the password."""
    login, sessions = visit.login, visit.context.authentication.sessions
    if not _must_confirm(visit):
        return _unless_gone(end)
    if not is_local_session(login) or not password:
        return _refused(visit, field, RecentLoginRequiredError.sentence, HTTPStatus.FORBIDDEN)
    try:
        token = sessions.reauthenticate(login, password, visit.actor, LOGIN)
    except (LoginFailedError, LoginThrottledError) as refusal:
        return _wrong_password(visit, field, refusal)
    renew_session(visit.request, token)
    response = _unless_gone(end)
    if response.headers["location"].startswith(paths.ACCESS):  # Otherwise this session has ended, too.
        set_session_cookie(visit.request, response, token)
    return response


def _unless_gone(end: Callable[[], Response]) -> Response:
    """End sessions. The list may be old: what has ended meanwhile is said, and the new cookie must still be set."""
    try:
        return end()
    except NotFoundError:
        return see_other(f"{paths.ACCESS}?done={_GONE}")


def _is_local_session(*, visit: Visit, **_given: object) -> bool:
    return is_local_session(visit.login)


@router.post(paths.PASSWORD)
@page
@checks_password(_is_local_session)
def change_password(
    visit: CurrentVisit,
    present: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change the local administrator's password. Other sessions end, and this browser gets a new one."""
    login = visit.login
    if not is_local_session(login):
        raise NotFoundError
    if new != again:
        return _refused(visit, "new", _DIFFERENT)
    place = Place(caller_address(visit.request.scope), browser_of(visit.request))
    try:
        opened = visit.context.authentication.sessions.change_password(login, present, new, visit.actor, place)
    except (LoginFailedError, LoginThrottledError) as refusal:
        return _wrong_password(visit, "present", refusal)
    except PasswordRefusedError as refusal:
        return _refused(visit, "new", refusal.text)
    response = see_other(f"{paths.ACCESS}?done={_CHANGED}")
    set_session_cookie(visit.request, response, opened.token)
    set_device_cookie(visit.request, response, opened.device_cookie or "")
    return response


def _wrong_password(visit: Visit, field: str, refusal: LoginFailedError | LoginThrottledError) -> Response:
    if isinstance(refusal, LoginFailedError):
        return _refused(visit, field, "Incorrect password.")
    problem = problem_of(refusal)
    response = _refused(visit, field, problem.detail, problem.status)
    response.headers.update(problem.headers)
    return response


def _refused(visit: Visit, field: str, sentence: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> Response:
    shown = _shown(visit) | {"toast": None, "password_errors": {field: sentence}}
    return visit.page(ACCESS, shown, status)


def _shown(visit: Visit) -> dict[str, Any]:
    authentication, now = visit.context.authentication, visit.runtime.clock.now()
    person, may_change = visit.login.person, visit.caller.may_change
    return {
        "now": now,
        "sessions": authentication.own_sessions.list(person, _id_of(visit.login)),
        "others": authentication.others_sessions.people(person) if may_change else None,
        "must_confirm": _must_confirm(visit),
        "tokens": _valid_tokens(authentication.tokens, now) if may_change else None,
        "is_local": _is_local(visit.login),
        "provider": authentication.provider is not None,
        "password_errors": {},
    }


def _valid_tokens(tokens: ServiceTokens, now: datetime) -> list[TokenFacts]:
    return [facts for facts in tokens.list() if facts.is_valid(now)]


def _id_in(which: str) -> UUID:
    try:
        return UUID(which)
    except ValueError:
        raise NotFoundError from None


def _id_of(login: Login) -> UUID | None:
    return login.session_id if isinstance(login, Session) else None


def _current(visit: Visit) -> str | None:
    """Return what a form sends to end the session that it is sent in; None behind the gateway, which has none."""
    current = _id_of(visit.login)
    return None if current is None else str(current)


def _is_local(login: Login) -> bool:
    return login.person.issuer is None

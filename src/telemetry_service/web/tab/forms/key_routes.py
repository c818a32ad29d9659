"""*Show*, after a recent login, and *Remove API key*, with a confirmation, because nothing can be sent without one."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form
from fastapi.responses import Response

from telemetry_service.domain.errors import (
    KeyUnusableError,
    LoginFailedError,
    LoginThrottledError,
    NotConfiguredError,
    RecentLoginRequiredError,
)
from telemetry_service.domain.locks import Setting
from telemetry_service.identity.sessions import is_local_session
from telemetry_service.pipeline.actions.configure import remove_api_key, reveal_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.web.errors.problem import problem_of
from telemetry_service.web.http.pools import checks_password
from telemetry_service.web.security.authorization import note_refused_reveal, page
from telemetry_service.web.security.cookies import set_session_cookie
from telemetry_service.web.security.new_session import renew_session
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SentForm, kept_form
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.views import FORM, NO_DIALOG, SETTINGS, TOASTS, settings_view
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

HIDE_AFTER_SECONDS = 30
_REMOVED = "key-removed"

router = Topic("tab", described=False)


def _checks(*, visit: Visit, password: str | None, **_given: object) -> bool:
    return bool(password) and is_local_session(visit.login)


@router.post(paths.REVEAL)
@page
@checks_password(_checks)
def show_api_key(visit: CurrentVisit, password: Annotated[str | None, Form()] = None) -> Response:
    """Show the API key after a recent login, or after the password; it hides itself again."""
    try:
        token = _authenticate(visit, password)
    except RecentLoginRequiredError:
        return _ask_password(visit, None)
    except LoginFailedError:
        return _ask_password(visit, "Incorrect password.")
    except LoginThrottledError as refusal:
        problem = problem_of(refusal)
        response = _ask_password(visit, problem.detail, problem.status)
        response.headers.update(problem.headers)
        return response
    if token is not None:
        renew_session(visit.request, token)
    response = _shown(visit)
    if token is not None:
        set_session_cookie(visit.request, response, token)
    return response


def _shown(visit: Visit) -> Response:
    shown = {"hide_after": HIDE_AFTER_SECONDS, **_key(visit)}
    if visit.htmx:
        return visit.fragments("telemetry/settings/revealed_key.html", shown, NO_DIALOG)
    response = visit.page(SETTINGS, shown | read_now(visit.runtime, settings_view))
    # Without JavaScript, a refresh leaves the page that shows the key.
    response.headers["Refresh"] = f"{HIDE_AFTER_SECONDS}; url={paths.SETTINGS}"
    return response


def _authenticate(visit: Visit, password: str | None) -> str | None:
    """Return the new token of the session if the password was needed and right."""
    login = visit.login
    if password and is_local_session(login):
        return visit.context.authentication.sessions.reauthenticate(login, password, visit.actor)
    if not login.is_recent(visit.runtime.clock.now()):
        note_refused_reveal(visit.context, visit.actor, "no_recent_login")
        raise RecentLoginRequiredError
    return None


def _ask_password(visit: Visit, wrong: str | None, status: int = HTTPStatus.OK) -> Response:
    locked = Setting.API_KEY in visit.runtime.deployment.locked
    return visit.dialog("telemetry/settings/relogin.html", {"relogin_wrong": wrong, "key_locked": locked}, status)


def _key(visit: Visit) -> dict[str, Any]:
    try:
        return {"revealed_key": reveal_api_key(visit.runtime, visit.actor)}
    except (NotConfiguredError, KeyUnusableError) as error:
        return {"reveal_wrong": error.text}


@router.get(paths.REMOVE_KEY)
@page
def ask_remove_api_key(visit: CurrentVisit) -> Response:
    """Say what stops, and what happens to waiting payloads."""
    with open_snapshot(visit.runtime) as snapshot:
        shown = {
            "key": snapshot.configuration.api_key,
            "old_key": snapshot.old_api_key and snapshot.old_api_key.fact,
            "waiting": snapshot.situation.waiting.total,
        }
    return visit.dialog("telemetry/settings/remove_key.html", shown)


@router.post(paths.REMOVE_KEY)
@page
def remove_key(visit: CurrentVisit, form: SentForm) -> Response:
    """Remove the API key. Other changes in the form stay there, unsaved."""
    remove_api_key(visit.runtime, visit.actor)
    if not visit.htmx:
        return see_other(f"{paths.SETTINGS}?done={_REMOVED}")
    with open_snapshot(visit.runtime) as snapshot:
        typed = kept_form(form, read_configuration(snapshot))
        shown = settings_view(snapshot, typed)
    shown |= {"toast": message(_REMOVED), "key_removed": True}
    return visit.fragments(FORM, shown, TOASTS, NO_DIALOG)

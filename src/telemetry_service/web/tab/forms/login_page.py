"""The page of the login, with every way in that is open, and why the last try failed."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from telemetry_service.domain.errors import IdentityRefusedError, NoRoleError, TelemetryError
from telemetry_service.web.context import WebContext
from telemetry_service.web.errors.problem import problem_of
from telemetry_service.web.security.cookies import note_login_page
from telemetry_service.web.tab.appearance import local_address
from telemetry_service.web.tab.forms.unsaved_form import read_unsaved_form
from telemetry_service.web.tab.rendering import pages_of

_LOGIN = "login.html"
_LONGEST_NAME = 100
"""Of what someone typed, to show it again."""

_AT_PROVIDER = {
    "state": "This login has expired, or it was begun in another window. Log in again.",
    "login_expired": "This login has expired. Log in again.",
    "used": "This login was used already. Log in again.",
    "denied": "Your identity provider did not log you in.",
    "not_authenticated_again": (
        "Your identity provider did not say that you authenticated again (auth_time), so your session is not renewed,"
        " and the API key can only be replaced."
    ),
    "other_person": "You authenticated as another person, so your session is not renewed. Log out first.",
    "session_ended": "Your session has ended meanwhile. Log in again.",
}
_NOT_ACCEPTED = (
    "The response of your identity provider was not accepted. Log in again; if this message returns, the log of the"
    " service has the reason."
)


def login_page(request: Request, context: WebContext, next_: str, **shown: object) -> Response:
    """Respond with the page."""
    return _page(request, _doors(request, context, next_) | shown)


def login_refused(
    request: Request, context: WebContext, next_: str, refusal: TelemetryError, name: str = ""
) -> Response:
    """Respond with the page, the reason, and the name that was typed; never with the password."""
    problem = problem_of(refusal)
    wrong = problem.detail
    if isinstance(refusal, IdentityRefusedError):
        wrong = _AT_PROVIDER.get(refusal.reason, _NOT_ACCEPTED)
    said = {"wrong": wrong, "no_role": isinstance(refusal, NoRoleError), "name": name[:_LONGEST_NAME]}
    shown = _doors(request, context, next_) | said
    response = _page(request, shown, problem.status)
    response.headers.update(problem.headers)
    return response


def _page(request: Request, shown: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    response = pages_of(request).page(request, _LOGIN, shown, status)
    if shown["provider"]:
        note_login_page(request, response)
    return response


def _doors(request: Request, context: WebContext, next_: str) -> dict[str, Any]:
    authentication = context.authentication
    local_login = authentication.accounts.is_login_open()
    return {
        "next": local_address(next_),
        "wrong": None,
        "name": "",
        "no_role": False,
        "ended": False,
        "unsaved_form": read_unsaved_form(request) is not None,
        "local_login": local_login,
        "provider": authentication.provider is not None,
        "no_administrator": local_login and not authentication.accounts.exist(),
    }

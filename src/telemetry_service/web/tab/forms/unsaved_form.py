"""Keeps unsaved changes in the settings form when the session ends, and shows them again after the login.

The browser keeps them in a cookie that contains only values of closed sets. It contains no secret: for an API key, only
that one was typed. The changes are shown once, and still have to be saved.
"""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import RequestForgeryError
from telemetry_service.identity.authentication import Authentication
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.web.context import WebContext
from telemetry_service.web.security.cookies import cookie, read_device_cookie, read_session_cookie
from telemetry_service.web.security.csrf import FIELD, check_origin
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SettingsForm, keep_changes, read_form
from telemetry_service.web.tab.rendering import is_htmx, see_other
from telemetry_service.web.tab.sections.settings import TypedForm

KEPT_SECONDS = 60 * 60
"""Longer than it takes to log in again."""

_NAME = "telemetry_unsaved_form"
_PROOF = "session_proof"
"""The CSRF token of a form that is only to be kept: under its usual name, it would be saved if the session is open."""
_FORMS = frozenset({paths.SAVE, paths.TEST_CONNECTION, paths.REVEAL, paths.API_KEY, paths.REPLACE_KEY})
"""The addresses that receive the whole form: without JavaScript, all of its buttons send it."""


class UnsavedForm(BaseModel):
    """An unsaved form: the version and the values that it was shown with, and the changed values."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    version: int
    seen: Configuration
    typed: Configuration
    key_typed: bool


def unsaved_form_of(form: SettingsForm) -> UnsavedForm | None:
    """Return the changes in a form; None if there are none, or it is not our form."""
    try:
        seen = Configuration.model_validate_json(form.seen)
    except ValidationError:
        return None
    typed, key_typed = read_form(form, seen), bool(form.api_key or form.key_typed)
    if typed.errors.keys() - {"api_key"} or (typed.values == seen and not key_typed):
        return None
    return UnsavedForm(version=form.version, seen=seen, typed=typed.values, key_typed=key_typed)


def read_unsaved_form(request: Request) -> UnsavedForm | None:
    """Return the form that the browser keeps."""
    try:
        kept = _authentication(request).unsaved_forms.read(request.cookies.get(_cookie(request)["key"], ""))
        return None if kept is None else UnsavedForm.model_validate_json(kept)
    except ValueError:
        return None


def resumed(request: Request, present: ConfigurationView) -> TypedForm | None:
    """Return the form to show again: its changes to the saved values, and whether those are a newer version."""
    unsaved = read_unsaved_form(request)
    if unsaved is None:
        return None
    values = keep_changes(unsaved.typed, unsaved.seen.model_dump_json(), present.values)
    if values == present.values and not unsaved.key_typed:
        return None
    stale = unsaved.version != present.stored.version
    return TypedForm(values, stale=stale, key_dropped=unsaved.key_typed, resumed=True)


def forget_unsaved_form(request: Request, response: Response) -> Response:
    """Delete the form that the browser keeps."""
    cookie = _cookie(request)
    if cookie["key"] in request.cookies:
        response.delete_cookie(**cookie)
    return response


async def keep_form(request: Request, response: Response) -> Response:
    """Keep the changes of a form that was sent after its session has ended in the browser.

    Only a browser that was logged in has what proves it; otherwise anyone could have a form signed here.
    """
    unsaved = await _unsaved_form_in(request)
    return _keep(request, response, unsaved if unsaved is not None and await _was_logged_in(request) else None)


async def form_again(request: Request) -> Response | None:
    """Redirect a form with the CSRF token of an earlier session to the tab, keeping its changes; else None."""
    unsaved = await _unsaved_form_in(request)
    if unsaved is None:
        return None
    back = Response(headers={"HX-Redirect": paths.SETTINGS})
    return _keep(request, back if is_htmx(request) else see_other(paths.SETTINGS), unsaved)


async def _unsaved_form_in(request: Request) -> UnsavedForm | None:
    """Return the changes in a form of our own pages; another site's form contains what that site wants saved."""
    if request.method != "POST" or request.url.path not in _FORMS:
        return None
    try:
        check_origin(request)
        return unsaved_form_of(SettingsForm.model_validate(dict(await request.form())))
    except (RequestForgeryError, ValidationError):
        return None


def _keep(request: Request, response: Response, unsaved: UnsavedForm | None) -> Response:
    if unsaved is not None:
        value = _authentication(request).unsaved_forms.sign(unsaved.model_dump_json())
        response.set_cookie(value=value, max_age=KEPT_SECONDS, **_cookie(request))
    return response


async def _was_logged_in(request: Request) -> bool:
    """Whether the browser has logged in before, or its form belongs to the session of its cookie, ended or not."""
    authentication, session = _authentication(request), read_session_cookie(request)
    if authentication.devices.read(read_device_cookie(request)) is not None:
        return True
    form = await request.form()
    proofs = [proof for name in (FIELD, _PROOF) if isinstance(proof := form.get(name), str)]
    return session is not None and any(authentication.sessions.is_proof(session, proof) for proof in proofs)


def _authentication(request: Request) -> Authentication:
    context: WebContext = request.app.state.context
    return context.authentication


def _cookie(request: Request) -> dict[str, Any]:
    """Return the name and attributes of the cookie."""
    # Lax, because the way back from an identity provider counts as one from another site.
    return cookie(request, _NAME)

"""Log in at the OpenID Connect provider, come back, and log out on both sides."""

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request
from fastapi.responses import Response

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import (
    AccessDeniedError,
    IdentityRefusedError,
    IssuerUnavailableError,
    NoRoleError,
    NotFoundError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.provider_login import NAME, Finished, Returned
from telemetry_service.identity.sessions import Session
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError
from telemetry_service.web.http.pools import hears_of_log_outs, leaves_for_issuer, returns_from_issuer
from telemetry_service.web.security.authorization import CurrentStranger, public
from telemetry_service.web.security.browsers import browser_of
from telemetry_service.web.security.cookies import (
    clear_provider_cookies,
    provider_cookie_of,
    provider_cookies,
    set_provider_cookie,
    set_session_cookie,
)
from telemetry_service.web.security.csrf import may_be_led_by_others
from telemetry_service.web.security.new_session import begin_session, session_of
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.appearance import local_address
from telemetry_service.web.tab.forms.login_page import login_refused
from telemetry_service.web.tab.rendering import pages_of, see_other
from telemetry_service.web.topic import Topic

if TYPE_CHECKING:
    from telemetry_service.identity.provider import OpenIdProvider

_MOST = 4096
"""Characters of a parameter. Codes of large providers have more than a thousand."""

_LONGEST_NEXT = 512
"""Characters of the page to return to, which each cookie holds: proxies and browsers refuse large ones."""

Parameter = Annotated[str, Query(max_length=_MOST)]

router = Topic("tab", described=False)


def _has_addresses(*, context: WebContext, **_given: object) -> bool:
    provider = context.authentication.provider
    return provider is None or provider.is_known


def _needs_none(*, request: Request, context: WebContext, **_given: object) -> bool:
    """Whether it is known where the browser goes: whom others lead here does not leave."""
    return may_be_led_by_others(request) or _has_addresses(context=context)


def _has_key(*, context: WebContext, logout_token: str, **_given: object) -> bool:
    provider = context.authentication.provider
    return provider is None or provider.has_key_of(logout_token)


@router.get(paths.PROVIDER_LOGIN)
@public
@leaves_for_issuer(_needs_none)
def leave(
    request: Request,
    context: Context,
    next: Parameter = paths.TAB,  # noqa: A002 - the parameter's name
    again: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Send the browser to the provider, to log in or to authenticate again.

    A provider asks no one who is logged in there, so another site could open a session, and end the present one. Whom
    another site leads here gets the page of the login instead, whose button leads to the provider.
    """
    provider = _provider_of(context)
    if may_be_led_by_others(request):
        return see_other(f"{paths.LOGIN}?next={quote(_page(next), safe='/')}")
    try:
        begun = provider.begin(_page(next), _renewable(request, context) if again else None)
    except IssuerUnavailableError as refusal:
        return login_refused(request, context, next, refusal)
    response = see_other(begun.address)
    clear_provider_cookies(request, response, provider.superseded(provider_cookies(request)))
    set_provider_cookie(request, response, begun.state, begun.cookie)
    return response


@router.get(paths.PROVIDER_RETURN)
@public
@returns_from_issuer
def come_back(
    request: Request,
    context: Context,
    caller: CurrentStranger,
    code: Parameter = "",
    state: Parameter = "",
    error: Parameter = "",
    iss: Annotated[str | None, Query(max_length=_MOST)] = None,
) -> Response:
    """Open a session for the person whom the provider has authenticated, or renew one. Each login counts once."""
    provider, cookie = _provider_of(context), provider_cookie_of(request, state)
    try:
        finished = provider.finish(request.cookies.get(cookie), Returned(code, state, error, iss))
        response = see_other(local_address(finished.begun.next))
        _open_or_renew(request, context, caller, finished, response)
    except (IdentityRefusedError, NoRoleError, IssuerUnavailableError) as refusal:
        _note(context, caller, refusal)
        response = login_refused(request, context, paths.TAB, refusal)
    clear_provider_cookies(request, response, {cookie} & request.cookies.keys())
    return response


@router.post(paths.PROVIDER_LOGOUT)
@public
@hears_of_log_outs(_has_key)
def end_sessions(
    request: Request,  # noqa: ARG001 - the pool reads the caller's address
    context: Context,
    caller: CurrentStranger,
    logout_token: Annotated[str, Form(max_length=16 * 1024)],
) -> Response:
    """End the sessions of someone who has logged out at the provider; the provider itself calls this."""
    from telemetry_service.identity.back_channel import read_logout  # noqa: PLC0415 - see identity/authentication.py

    try:
        logged_out = read_logout(_provider_of(context), logout_token, context.runtime.clock.now())
        context.authentication.sessions.end_of(logged_out)
    except IdentityRefusedError as refusal:
        _note(context, caller, refusal)
        raise RequestMalformedError([FieldError("logout_token", "is not accepted")]) from None
    return Response()


@router.get(paths.PROVIDER_ENDED)
@public
@leaves_for_issuer(_has_addresses)
def show_ended(request: Request, context: Context) -> Response:
    """Say that the session here has ended, and lead to the end of the one at the provider."""
    provider, public_url = _provider_of(context), context.runtime.deployment.public_url
    try:
        address = provider.end_address(f"{public_url}{paths.LOGIN}")
    except IssuerUnavailableError:
        address = None
    response = pages_of(request).page(request, "logged_out.html", {"end_address": address})
    if address is not None:
        # Not a redirect: a browser applies the policy for forms to all redirects that follow the form of the log-out.
        response.headers["Refresh"] = f"0; url={address}"
    return response


def _page(next_: str) -> str:
    return local_address(next_ if len(next_) <= _LONGEST_NEXT else paths.TAB)


def _provider_of(context: WebContext) -> "OpenIdProvider":
    provider = context.authentication.provider
    if provider is None:
        raise NotFoundError
    return provider


def _renewable(request: Request, context: WebContext) -> Session | None:
    """Return the session to renew; None if it has ended or is the local administrator's."""
    session = session_of(request, context)
    return session if session is not None and session.person.issuer is not None else None


def _open_or_renew(
    request: Request, context: WebContext, caller: Actor, finished: Finished, response: Response
) -> None:
    sessions = context.authentication.sessions
    if finished.begun.renews is None:
        opened = sessions.open(finished.proven, caller, browser_of(request))
        begin_session(request, response, context, caller, opened.token)
        return
    session = _renewable(request, context)
    if session is None or session.session_id != finished.begun.session_id:
        raise IdentityRefusedError("session_ended")
    set_session_cookie(request, response, sessions.renew(session, finished.proven, caller))


def _note(
    context: WebContext, caller: Actor, refusal: AccessDeniedError | NoRoleError | IssuerUnavailableError
) -> None:
    """Note a refused login; a provider that does not respond is not the caller's doing."""
    if isinstance(refusal, IssuerUnavailableError):
        return
    reason = refusal.reason if isinstance(refusal, IdentityRefusedError) else "no_role"
    context.authentication.refusals.note(caller, Kind.LOGIN_FAILED, {"reason": reason})
    log_event(Event.IDENTITY_REFUSED, issuer=NAME, reason=reason)

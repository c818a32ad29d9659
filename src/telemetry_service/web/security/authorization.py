"""Authorization: who may call which route. By default, no one may.

Every route declares its access with one of the decorators below. A route without one responds with 403 to everyone, and
the application refuses to start with such a route (``check_routes``). Each change made with a session is checked for
forgery here (``csrf.py``), so no route can forget that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from telemetry_service.domain import errors
from telemetry_service.domain.actor import Actor, ActorKind, stranger
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.login import Login
from telemetry_service.identity.scopes import Scope, scopes_of
from telemetry_service.identity.tokens import TokenHolder
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.storage.deadline import one_call
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.errors.log_lines import note_route, route_of
from telemetry_service.web.errors.request_errors import HostRefusedError
from telemetry_service.web.http.addresses import caller_address
from telemetry_service.web.http.bearer import bearer_in
from telemetry_service.web.http.hosts import is_foreign
from telemetry_service.web.security.cookies import read_session_cookie
from telemetry_service.web.security.csrf import SAFE_METHODS, ForgeryCheck, ForgeryCheckError, check_origin, check_token
from telemetry_service.web.security.gateway import gateway_login

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE = "telemetry_access_rule"

_LOOK_SECONDS = 3
"""How long a route that tells how the database is waits for it to verify a token."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route: anyone, or the holders of any of ``scopes``; a page only if they are people."""

    public: bool = False
    scopes: frozenset[Scope] = frozenset()
    page: bool = False
    """True for a browser page: anyone who is not logged in is redirected to the login."""
    people: bool = False
    """True for a call that concerns the caller's own sessions: services are refused."""
    secret: bool = False
    """True for a route that shows a secret: who is refused it stands in the ledger."""
    lasting: bool = False
    """True for a route that tells how the database is: while it cannot be read, a token stays valid for a while."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: a service with its token, or a person who is logged in."""

    actor: Actor
    scopes: frozenset[Scope]
    login: Login | None = field(default=None, repr=False)

    @property
    def may_change(self) -> bool:
        """Whether the caller may do more than look."""
        return Scope.ADMIN in self.scopes


class LoginNeededError(errors.AccessDeniedError):
    """A page was requested without a session; the browser is redirected to the login."""


def public(endpoint: Endpoint) -> Endpoint:
    """Let anyone call this route."""
    return _declare(endpoint, Rule(public=True))


def needs(*scopes: Scope, secret: bool = False, lasting: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Let callers with any of ``scopes`` call this route; see ``Rule`` for the rest."""
    return lambda endpoint: _declare(endpoint, Rule(scopes=frozenset(scopes), secret=secret, lasting=lasting))


def page(endpoint: Endpoint) -> Endpoint:
    """Let only administrators in a browser call this route. Viewers are refused; others are redirected to the login."""
    return _declare(endpoint, Rule(page=True, scopes=frozenset({Scope.ADMIN})))


def viewer_page(endpoint: Endpoint) -> Endpoint:
    """Let everyone who is logged in call this route: it changes nothing but what concerns the person."""
    return _declare(endpoint, Rule(page=True, scopes=frozenset({Scope.READ})))


def people_only(endpoint: Endpoint) -> Endpoint:
    """Let everyone who is logged in call this route of the API, and no service."""
    return _declare(endpoint, Rule(people=True, scopes=frozenset({Scope.READ})))


def rule_of(endpoint: object) -> Rule | None:
    """Return what a route declares, or None."""
    rule = getattr(endpoint, _ATTRIBUTE, None)
    return rule if isinstance(rule, Rule) else None


def _declare(endpoint: Endpoint, rule: Rule) -> Endpoint:
    setattr(endpoint, _ATTRIBUTE, rule)
    return endpoint


async def authorize(request: Request, context: Context) -> None:
    """Authorize the caller, or refuse the request; the dependency of every route.

    Raises:
        AccessDeniedError: the caller is not logged in, or the token is not valid.
        ScopeMissingError: the caller may not do this, or no one may.
        ForgeryCheckError: the request was made by another site.
        HostRefusedError: the host name may be anyone's, and no valid token vouches for the caller.
    """
    note_route(request)
    try:
        await _check_access(request, context)
    except LoginNeededError:
        raise  # Redirected to the login instead of refused.
    except errors.TelemetryError as error:
        _log_refused(request, error)
        if isinstance(error, errors.AccessDeniedError) and is_foreign(request.scope):
            raise HostRefusedError from None
        raise


async def _check_access(request: Request, context: WebContext) -> None:
    rule = rule_of(request.scope.get("endpoint"))
    if rule is None:
        raise errors.ScopeMissingError
    if is_foreign(request.scope) and (rule.public or rule.page):
        raise HostRefusedError
    if rule.public:
        if request.method not in SAFE_METHODS:
            check_origin(request)
        return
    caller = await _identify(request, context, rule)
    request.state.actor = caller.actor.label
    if not caller.scopes & rule.scopes or (rule.people and caller.login is None):
        if rule.secret:
            await run_in_threadpool(note_refused_reveal, context, caller.actor, "scope_missing")
        raise _refusal(caller, rule)
    request.state.caller = caller


def _refusal(caller: Caller, rule: Rule) -> errors.ScopeMissingError:
    """Return why a caller is refused: some of it, a person with the other role could do."""
    is_viewer = caller.login is not None and Scope.ADMIN in rule.scopes
    return errors.RoleMissingError() if is_viewer else errors.ScopeMissingError()


async def _identify(request: Request, context: WebContext, rule: Rule) -> Caller:
    if (token := bearer_in(request.headers)) is not None:
        if rule.page:
            raise errors.ScopeMissingError
        return await _token_holder(request, context, token, rule)
    if is_foreign(request.scope):
        raise errors.AccessDeniedError
    login = await gateway_login(request, context, is_page=rule.page)
    if login is not None:
        return _person(request, login)
    session = read_session_cookie(request)
    if session is None:
        raise _not_logged_in(request, context, rule)
    return await _session_holder(request, context, session, rule)


async def _token_holder(request: Request, context: WebContext, token: str, rule: Rule) -> Caller:
    tokens = context.authentication.tokens
    holder = tokens.remembered(token)
    if holder is None:
        verify = _verified_lately if rule.lasting else _verified
        holder = await run_in_threadpool(verify, context, token, stranger(caller_address(request.scope)))
    actor = Actor(ActorKind.TOKEN, holder.token_id, holder.name, caller_address(request.scope))
    return Caller(actor, holder.scopes)


def _verified(context: WebContext, token: str, caller: Actor) -> TokenHolder:
    try:
        return context.authentication.tokens.verify(token)
    except errors.AccessDeniedError:
        context.authentication.refusals.note(caller, Kind.TOKEN_REFUSED)
        raise


def _verified_lately(context: WebContext, token: str, caller: Actor) -> TokenHolder:
    try:
        with one_call(_LOOK_SECONDS):
            return _verified(context, token, caller)
    except errors.StorageUnavailableError:
        holder = context.authentication.tokens.verified_lately(token)
        if holder is None:
            raise
        return holder


async def _session_holder(request: Request, context: WebContext, token: str, rule: Rule) -> Caller:
    sessions = context.authentication.sessions
    try:
        # A page that is refreshed automatically is no use of the session: perhaps no one is there.
        session = await run_in_threadpool(partial(sessions.find, token, in_use="x-polling" not in request.headers))
    except errors.AccessDeniedError:
        raise _not_logged_in(request, context, rule) from None
    if request.method not in SAFE_METHODS:
        check_origin(request)
        await check_token(request, partial(sessions.is_proof, token))
    elif request.headers.get("sec-fetch-site") == "cross-site" and not rule.page:
        # Other sites must not call the API; a link to a page may come from anywhere.
        raise ForgeryCheckError(ForgeryCheck.SITE)
    return _person(request, session)


def _not_logged_in(request: Request, context: WebContext, rule: Rule) -> errors.AccessDeniedError:
    """Return why a caller who shows nothing is refused. Where the console logs people in, no page is led away."""
    in_place = context.authentication.gateway is not None and is_part(request)
    return LoginNeededError() if rule.page and not in_place else errors.AccessDeniedError()


def is_part(request: Request) -> bool:
    """Whether a request is for a part of a page that is open, and not for a page."""
    return "hx-request" in request.headers


def _person(request: Request, login: Login) -> Caller:
    return Caller(login.person.actor(caller_address(request.scope)), scopes_of(login.person.role), login)


def _log_refused(request: Request, error: errors.TelemetryError) -> None:
    """Log that a caller was refused access."""
    route = route_of(request)
    if isinstance(error, ForgeryCheckError):
        log_event(Event.CSRF_REFUSED, route=route, check=error.check)
    elif isinstance(error, errors.IdentityRefusedError):
        log_event(Event.IDENTITY_REFUSED, issuer="gateway", reason=error.reason)
    elif isinstance(error, errors.ScopeMissingError):
        log_event(Event.SCOPE_MISSING, route=route, actor=getattr(request.state, "actor", None))
    elif isinstance(error, errors.AccessDeniedError):
        log_event(Event.ACCESS_DENIED, route=route, credential=_credential_of(request))


def _credential_of(request: Request) -> str:
    if bearer_in(request.headers) is not None:
        return "token"
    return "none" if read_session_cookie(request) is None else "session"


async def caller_of(request: Request) -> Caller:
    """Return the caller that was authorized."""
    caller: Caller = request.state.caller
    return caller


async def stranger_of(request: Request) -> Actor:
    """Return the actor of a ``public`` route, which no one is logged in for."""
    return stranger(caller_address(request.scope))


async def login_of(request: Request) -> Login:
    """Return who is logged in on a ``page``."""
    login = (await caller_of(request)).login
    if login is None:
        raise LoginNeededError
    return login


def note_refused_reveal(context: WebContext, actor: Actor, reason: str) -> None:
    """Note that a caller asked for a secret and did not get it."""
    context.authentication.refusals.note(actor, Kind.REVEAL_REFUSED, {"reason": reason})


async def check_recent_login(request: Request, context: Context) -> None:
    """Ask a person to prove again who it is, if the last time is too long ago.

    A service token cannot: a caller with the scope ``admin`` is trusted with the secret.

    Raises:
        RecentLoginRequiredError: the last time was more than ten minutes ago, or is not known.
    """
    caller, rule = await caller_of(request), rule_of(request.scope.get("endpoint"))
    if caller.login is not None and not caller.login.is_recent(context.runtime.clock.now()):
        if rule is not None and rule.secret:
            await run_in_threadpool(note_refused_reveal, context, caller.actor, "no_recent_login")
        raise errors.RecentLoginRequiredError


async def limit_reveals(request: Request, context: Context) -> None:
    """Limit how often service tokens are shown the secret: one that was stolen is not served without end.

    Raises:
        RevealThrottledError: it was shown too often within an hour.
    """
    caller = await caller_of(request)
    if caller.login is None:
        await run_in_threadpool(_count_reveal, context, caller.actor)


def _count_reveal(context: WebContext, actor: Actor) -> None:
    try:
        context.authentication.throttle.count_reveal()
    except errors.RevealThrottledError:
        note_refused_reveal(context, actor, "too_often")
        raise


CurrentCaller = Annotated[Caller, Depends(caller_of)]
CurrentStranger = Annotated[Actor, Depends(stranger_of)]
CurrentLogin = Annotated[Login, Depends(login_of)]
RECENT_LOGIN = Depends(check_recent_login)
"""For ``dependencies=[...]`` of a route that shows a secret, or creates one."""
LIMITED_REVEALS = Depends(limit_reveals)
"""For ``dependencies=[...]`` of a route that shows a secret."""


class UndeclaredRouteError(Exception):
    """A route does not declare who may call it: a bug, found at the start."""


def check_routes(app: FastAPI) -> None:
    """Refuse an application with a route that no authorization protects.

    Raises:
        UndeclaredRouteError: with the paths of these routes.
    """
    unprotected = [
        str(getattr(found, "path", "?"))
        for found in iter_route_contexts(app.routes)
        if not _authorizes(found.original_route) or rule_of(found.endpoint) is None
    ]
    if unprotected:
        message = f"routes without a declared access: {', '.join(unprotected)}"
        raise UndeclaredRouteError(message)


def _authorizes(route: BaseRoute) -> bool:
    """Whether a route runs the authorization. Only FastAPI's own routes have dependencies."""
    return isinstance(route, APIRoute) and any(one.dependency is authorize for one in route.dependencies)

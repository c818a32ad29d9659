"""Who is logged in according to the console's gateway. Its word counts instead of a session, right or wrong."""

from functools import partial
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from telemetry_service.domain.actor import Actor, stranger
from telemetry_service.domain.errors import IdentityRefusedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.login import Login
from telemetry_service.web.context import WebContext
from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError
from telemetry_service.web.http.addresses import caller_address
from telemetry_service.web.http.pools import GATEWAY_OF_ONE, shares_of
from telemetry_service.web.security.csrf import (
    SAFE_METHODS,
    ForgeryCheck,
    ForgeryCheckError,
    check_own_page,
    check_token,
)

if TYPE_CHECKING:
    from telemetry_service.identity.gateway import GatewayIdentities


def is_vouched_for(request: Request, context: WebContext) -> bool:
    """Whether the gateway says who is logged in, right or wrong."""
    gateway = context.authentication.gateway
    return gateway is not None and gateway.header in request.headers


async def gateway_login(request: Request, context: WebContext, *, is_page: bool) -> Login | None:
    """Return who the gateway says is logged in; None if it says nothing, or there is none.

    Raises:
        RequestMalformedError: it says so twice.
        IdentityRefusedError: what it says is not accepted.
        NoRoleError: the person has no role here.
        ForgeryCheckError: another site made the request.
        IssuerUnavailableError: the gateway's keys cannot be read.
    """
    gateway = context.authentication.gateway
    said = request.headers.getlist(gateway.header) if gateway is not None else []
    if gateway is None or not said:
        return None
    if len(said) > 1:
        raise RequestMalformedError([FieldError(gateway.header, "appears more than once")])
    login = await _login(request, context, gateway, said[0])
    await _check_forgery(request, gateway, login, is_page=is_page)
    return login


async def _login(request: Request, context: WebContext, gateway: "GatewayIdentities", token: str) -> Login:
    work = partial(_vouched, context, gateway, token, stranger(caller_address(request.scope)))
    if gateway.is_at_hand(token):
        return await run_in_threadpool(work)
    return await context.pools.gateway.begin(work, shares_of(request, GATEWAY_OF_ONE))


def _vouched(context: WebContext, gateway: "GatewayIdentities", token: str, caller: Actor) -> Login:
    try:
        return gateway.find(token)
    except IdentityRefusedError as refused:
        context.authentication.refusals.note(caller, Kind.LOGIN_FAILED, {"reason": refused.reason})
        raise


async def _check_forgery(request: Request, gateway: "GatewayIdentities", login: Login, *, is_page: bool) -> None:
    if request.method not in SAFE_METHODS:
        check_own_page(request)
        await check_token(request, partial(gateway.is_proof, login))
    elif request.headers.get("sec-fetch-site") == "cross-site" and not is_page:
        raise ForgeryCheckError(ForgeryCheck.SITE)

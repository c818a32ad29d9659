"""Finds where a request really comes from if a reverse proxy forwarded it.

Only trusted proxies are believed. ``X-Forwarded-For`` is read from its end, because each proxy appends the address that
it saw: the first one that is not a trusted proxy is the caller. The caller may have forged what comes before it.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.domain.addresses import read_address
from telemetry_service.domain.public_url import public_path_error
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.request_errors import FieldError, OverloadedError, RequestMalformedError
from telemetry_service.web.http.addresses import TrustedProxies, canonical
from telemetry_service.web.http.connection_limits import ConnectionCounter
from telemetry_service.web.http.early_refusals import peer_of, refusal_of
from telemetry_service.web.http.middleware import http_middleware
from telemetry_service.web.http.probes import is_probe

_PROTO, _FOR, _PREFIX = b"x-forwarded-proto", b"x-forwarded-for", b"x-forwarded-prefix"
_FORWARDED = (_PROTO, _FOR, _PREFIX)
_NEAREST = "telemetry.nearest_scheme"
_PREFIX_WRONG = FieldError("X-Forwarded-Prefix", "must be a path that the service itself does not use, as /telemetry")


@http_middleware
async def forwarded_requests(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, proxies: TrustedProxies, counter: ConnectionCounter
) -> None:
    """Set the scheme, the prefix and the address of a request's caller, and limit the caller's concurrent requests."""
    peer = canonical(peer_of(scope))
    if peer not in proxies:
        if any(name in _FORWARDED for name, _value in scope["headers"]):
            log_event(Event.FORWARDED_NOT_TRUSTED, address=peer)
        await app(scope, receive, send)
        return
    prefix = _prefix(_values(scope, _PREFIX))
    if public_path_error(prefix) is not None:
        await refusal_of(scope, RequestMalformedError([_PREFIX_WRONG]))(scope, receive, send)
        return
    scope = {**_as_forwarded(scope, peer, proxies), "root_path": prefix}
    caller = scope["client"][0]
    if is_probe(scope) or caller == peer:  # The proxy's own request; people may have the address of another one.
        await app(scope, receive, send)
    elif not counter.begin_request(caller):
        await refusal_of(scope, OverloadedError())(scope, receive, send)
    else:
        try:
            await app(scope, receive, send)
        finally:
            counter.end_request(caller)


def _as_forwarded(scope: Scope, peer: str, proxies: TrustedProxies) -> Scope:
    said, caller = _values(scope, _PROTO), _caller(_values(scope, _FOR), peer, proxies)
    before, nearest = scope["scheme"], _scheme(said[-1:]) or scope["scheme"]
    return {**scope, "scheme": _scheme(said) or before, _NEAREST: nearest, "client": (caller, 0)}


def nearest_scheme(scope: Scope) -> str:
    """Return the scheme that the nearest proxy saw: a page can send a request with values that come before it."""
    scheme: str = scope.get(_NEAREST, scope["scheme"])
    return scheme


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return the values of all headers with this name, in order."""
    lists = [value.decode("latin-1").split(",") for found, value in scope["headers"] if found == name]
    return [value.strip() for values in lists for value in values]


def _scheme(said: list[str]) -> str | None:
    """Return the scheme of the browser's connection from a list with one for each hop; None if it is empty.

    One hop with TLS is enough: falsely claimed TLS only makes the claimant's cookies stricter than necessary, but
    overlooked TLS would expose everyone's cookies.
    """
    schemes = {value.lower() for value in said}
    return "https" if "https" in schemes else "http" if "http" in schemes else None


def _prefix(said: list[str]) -> str:
    """Return the path that the proxies have removed, the outermost first."""
    return "".join(value.rstrip("/") for value in said)


def _caller(chain: list[str], peer: str, proxies: TrustedProxies) -> str:
    """Return the address that the last trusted proxy saw."""
    caller = peer
    for said in reversed(chain):
        address = read_address(said)
        if address is None:
            break  # "unknown", or forged: nothing before it is known.
        caller = str(address)
        if caller not in proxies:
            break
    return caller

"""Where a request really comes from, where a reverse proxy handed it on.

Only what a trusted proxy says is believed. ``X-Forwarded-For`` is read from its end, for each proxy appends the address
that it saw: the first that is no trusted proxy's is the caller's. What stands before it the caller may have made up.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.errors.request_errors import OverloadedError
from telemetry_service.web.http.addresses import TrustedProxies, canonical, read_address
from telemetry_service.web.http.connection_limits import ConnectionCounter
from telemetry_service.web.http.early_refusals import peer_of, refusal_of
from telemetry_service.web.http.middleware import http_middleware
from telemetry_service.web.http.probes import is_probe

_PROTO, _FOR = b"x-forwarded-proto", b"x-forwarded-for"
_FORWARDED = (_PROTO, _FOR)


@http_middleware
async def forwarded_requests(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, proxies: TrustedProxies, counter: ConnectionCounter
) -> None:
    """Give a request the scheme and the address of its caller, and bound how many a caller has under way."""
    peer = canonical(peer_of(scope))
    if peer not in proxies:
        if any(name in _FORWARDED for name, _value in scope["headers"]):
            # The session's cookie is sent without Secure then, although the browser may well have used TLS.
            log_event(Event.FORWARDED_NOT_TRUSTED, address=peer)
        await app(scope, receive, send)
        return
    scope = _as_forwarded(scope, peer, proxies)
    caller = scope["client"][0]
    if is_probe(scope) or caller in proxies:
        await app(scope, receive, send)
    elif not counter.begin_request(caller):
        await refusal_of(scope, OverloadedError())(scope, receive, send)
    else:
        try:
            await app(scope, receive, send)
        finally:
            counter.end_request(caller)


def _as_forwarded(scope: Scope, peer: str, proxies: TrustedProxies) -> Scope:
    scheme = _scheme(_values(scope, _PROTO)) or scope["scheme"]
    return {**scope, "scheme": scheme, "client": (_caller(_values(scope, _FOR), peer, proxies), 0)}


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return what all headers of this name list, in their order."""
    lists = [value.decode("latin-1").split(",") for found, value in scope["headers"] if found == name]
    return [value.strip() for values in lists for value in values]


def _scheme(said: list[str]) -> str | None:
    """Return what a list of schemes, one for each hop, says of the browser's connection; None where it says nothing.

    One hop of TLS is enough: TLS that is claimed and is not there makes cookies stricter than they need be, for the one
    who claims it alone. TLS that is overlooked would give everyone's cookies away.
    """
    schemes = {value.lower() for value in said}
    return "https" if "https" in schemes else "http" if "http" in schemes else None


def _caller(chain: list[str], peer: str, proxies: TrustedProxies) -> str:
    """Return the address that the last trusted proxy on the way saw."""
    caller = peer
    for said in reversed(chain):
        address = read_address(said)
        if address is None:
            break  # "unknown", or made up: who it was is known no further.
        caller = str(address)
        if caller not in proxies:
            break
    return caller

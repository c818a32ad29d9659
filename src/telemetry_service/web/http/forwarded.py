"""Where a request really comes from, where a reverse proxy handed it on: pure ASGI, around the whole application.

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
from telemetry_service.web.http.probes import is_probe

_PROTO, _FOR = b"x-forwarded-proto", b"x-forwarded-for"
_FORWARDED = (_PROTO, _FOR)


class ForwardedRequests:
    """Gives a request the scheme and the address of its caller, and bounds how many a caller has under way."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies, counter: ConnectionCounter) -> None:
        """Serve ``app``."""
        self._app = app
        self._proxies = proxies
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = canonical(peer_of(scope))
        forwarded = any(name in _FORWARDED for name, _value in scope["headers"])
        if peer not in self._proxies:
            if forwarded:
                # The session's cookie is sent without Secure then, although the browser may well have used TLS.
                log_event(Event.FORWARDED_NOT_TRUSTED, address=peer)
            await self._app(scope, receive, send)
            return
        await self._hand_on(_as_forwarded(scope, peer, self._proxies), receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope["client"][0]
        if is_probe(scope) or caller in self._proxies:
            await self._app(scope, receive, send)
            return
        if not self._counter.begin_request(caller):
            await refusal_of(scope, OverloadedError())(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._counter.end_request(caller)


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

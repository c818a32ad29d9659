"""Which names the service responds to, so that a name of a stranger's (DNS rebinding) finds nothing.

A website can let its own name point to this service's address, and then its pages are of the same origin as ours. Its
requests carry that name in ``Host``. No website can do so with an address, with a name that no one can register, or
with a name that a browser has verified with TLS.
"""

import socket
from enum import IntEnum
from functools import cache
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.domain.public_url import PublicUrl, host_name
from telemetry_service.web.errors.request_errors import HostRefusedError
from telemetry_service.web.http.bearer import bearer_in
from telemetry_service.web.http.forwarded import nearest_scheme
from telemetry_service.web.http.middleware import http_middleware
from telemetry_service.web.http.probes import PATHS as PROBES

_FOREIGN = "telemetry.foreign_host"
_FOR_SERVICES = ("/api/", "/metrics")
_CONFIRMED = "sec-fetch-site"
_NOT_REGISTRABLE = frozenset(
    {"corp", "home", "home.arpa", "internal", "intranet", "lan", "local", "localhost", "private", "svc", "test"}
)
"""Endings that no public registry hands out: those of private networks, containers and clusters."""


class Trust(IntEnum):
    """What a host name may reach."""

    TOKENS = 0
    """Only calls with a service token, which vouches for itself: a website has none."""
    SERVICES = 1
    """The API, the metrics and the probes."""
    EVERYTHING = 2


@http_middleware
async def check_host(app: ASGIApp, scope: Scope, receive: Receive, send: Send, public_url: PublicUrl | None) -> None:
    """Refuse a request under a name that is not the service's.

    Raises:
        HostRefusedError: the name may be anyone's.
    """
    headers = Headers(scope=scope)
    trust = trust_in(headers.get("host"), _browser_scheme(scope, headers), public_url)
    if trust is Trust.TOKENS and bearer_in(headers) is not None:
        # Only the authorization can tell whether the token is valid.
        scope = {**scope, _FOREIGN: True}
    elif not _reaches(trust, scope["path"]):
        raise HostRefusedError
    await app(scope, receive, send)


def _browser_scheme(scope: Scope, headers: Headers) -> str:
    """Return ``https`` only if a browser confirms what the proxy says.

    A page may send ``X-Forwarded-Proto`` itself, and a proxy without TLS may pass it on. No page can send
    ``Sec-Fetch-Site``, and browsers add it only over TLS, if the host has a public name.
    """
    return nearest_scheme(scope) if _CONFIRMED in headers else "http"


def is_foreign(scope: Scope) -> bool:
    """Whether a request needs a valid service token, because it came under a name that may be anyone's."""
    return bool(scope.get(_FOREIGN))


def trust_in(host: str | None, scheme: str, public_url: PublicUrl | None) -> Trust:
    """Return what a ``Host`` may reach. Its port is ignored: proxies omit it, and it can be anyone's as well."""
    name = host_name(host or "")
    if public_url is not None:
        if name == public_url.name:
            return Trust.EVERYTHING
        return Trust.SERVICES if _no_strangers(name) else Trust.TOKENS
    # Over TLS, the browser has verified the name with the proxy's certificate.
    return Trust.EVERYTHING if scheme == "https" or _no_strangers(name) else Trust.TOKENS


def _reaches(trust: Trust, path: str) -> bool:
    if trust is Trust.SERVICES:
        return path in PROBES or path.startswith(_FOR_SERVICES)
    return trust is Trust.EVERYTHING


def _no_strangers(name: str) -> bool:
    """Whether no website can let a name point here: no host at all is no browser's request."""
    return not name or _is_address(name) or "." not in name or name == _own_name() or _ends_privately(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _ends_privately(name: str) -> bool:
    labels = name.split(".")
    return not _NOT_REGISTRABLE.isdisjoint((labels[-1], ".".join(labels[-2:])))


@cache
def _own_name() -> str:
    """Return this machine's name, as it knows it itself: nothing is looked up."""
    return socket.gethostname().lower()

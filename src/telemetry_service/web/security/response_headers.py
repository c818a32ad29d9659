"""The headers of every response: nothing inline, nothing from other origins, no caching, no sniffing."""

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.http.middleware import http_middleware, with_headers
from telemetry_service.web.http.place import place_in

_NO_FRAME = "frame-ancestors 'none'"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self'; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; "
    f"{_NO_FRAME}"
)
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send Origin: null with our own plain forms, which csrf.py refuses.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
}
_ALWAYS_RAW = [(name.lower().encode(), value.encode()) for name, value in ALWAYS.items()]
_ALWAYS_NAMES = frozenset(name for name, _value in _ALWAYS_RAW)
_STATIC = "/static/"
_HSTS = "max-age=31536000"
"""A year."""
_SUBDOMAINS = "; includeSubDomains"
"""Only if the deployment says so: this service must not decide about other hosts."""


@http_middleware
async def security_headers(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    ancestors: Sequence[str] = (),
    *,
    hsts_subdomains: bool = False,
) -> None:
    """Set the headers; a route may set its own Cache-Control.

    The pages of a frame may be shown by this origin and by ``ancestors``, all other pages by none.
    """

    def complete(headers: MutableHeaders) -> None:
        _add_always(headers)
        if place_in(scope).embedded:
            _allow_frame(headers, ancestors)
        if ancestors and scope["path"].startswith(_STATIC):
            # Their pages load the script of the frame from here.
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        headers.setdefault("Cache-Control", "no-store")
        if place_in(scope).secure:
            headers["Strict-Transport-Security"] = _HSTS + (_SUBDOMAINS if hsts_subdomains else "")

    await app(scope, receive, with_headers(send, complete))


def _add_always(headers: MutableHeaders) -> None:
    """Set the headers of every response. A response that has none of them yet gets all at once."""
    if _ALWAYS_NAMES.isdisjoint([name for name, _value in headers.raw]):
        headers.raw.extend(_ALWAYS_RAW)
    else:
        headers.update(ALWAYS)


def _allow_frame(headers: MutableHeaders, ancestors: Sequence[str]) -> None:
    allowed = " ".join(("frame-ancestors 'self'", *ancestors))
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(_NO_FRAME, allowed)
    # The older header cannot name other origins; without it, browsers obey the policy alone.
    headers["X-Frame-Options"] = "SAMEORIGIN"
    if ancestors:
        del headers["X-Frame-Options"]

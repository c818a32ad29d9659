"""The headers of every response: nothing inline, nothing from other origins, no caching, no sniffing."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.http.middleware import http_middleware, with_headers
from telemetry_service.web.http.place import place_in

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self'; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'"
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
_HSTS = "max-age=31536000"
"""A year. Without subdomains, which this service must not decide about."""


@http_middleware
async def security_headers(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Set the headers; a route may set its own Cache-Control."""

    def complete(headers: MutableHeaders) -> None:
        headers.update(ALWAYS)
        headers.setdefault("Cache-Control", "no-store")
        if place_in(scope).secure:
            headers["Strict-Transport-Security"] = _HSTS

    await app(scope, receive, with_headers(send, complete))

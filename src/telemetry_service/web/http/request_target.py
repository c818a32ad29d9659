"""Request targets in absolute form (RFC 9112, section 3.2.2): ``GET http://host/path``."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError
from telemetry_service.web.http.early_refusals import refusal_of
from telemetry_service.web.http.middleware import http_middleware

_ABSOLUTE = re.compile(rb"(https?)://([^/@]+)(/.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")
_USUAL_PORTS = {b"http": b":80", b"https": b":443"}

_TARGET = FieldError("request-target", "must be a path, or http:// or https:// with a host and a path")
_DIFFERENT = FieldError("Host", "must name the same host as the request target does")


@http_middleware
async def absolute_targets(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a target in absolute form by its path; its host is the target's."""
    if not _SCHEME.match(scope["raw_path"]):
        await app(scope, receive, send)
        return
    target = _ABSOLUTE.fullmatch(scope["raw_path"])
    if target is None:
        await refusal_of(scope, RequestMalformedError([_TARGET]))(scope, receive, send)
        return
    scheme, host, path = target[1].lower(), target[2], target[3] or b"/"
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if any(_named(value, scheme) != _named(host, scheme) for value in hosts):
        await refusal_of(scope, RequestMalformedError([_DIFFERENT]))(scope, receive, send)
        return
    others = [header for header in scope["headers"] if header[0] != b"host"]
    headers = [(b"host", host), *others]
    await app({**scope, "path": unquote(path.decode("ascii")), "raw_path": path, "headers": headers}, receive, send)


def _named(host: bytes, scheme: bytes) -> bytes:
    """Return a host for comparison, without the default port."""
    return host.strip().lower().removesuffix(_USUAL_PORTS[scheme])

"""Request targets in absolute form (RFC 9112, section 3.2.2): ``GET http://host/path``. Pure ASGI."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError
from telemetry_service.web.http.early_refusals import refusal_of

_ABSOLUTE = re.compile(rb"(https?)://([^/@]+)(/.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")
_USUAL_PORTS = {b"http": b":80", b"https": b":443"}

_TARGET = FieldError("request-target", "must be a path, or http:// or https:// with a host and a path")
_DIFFERENT = FieldError("Host", "must name the same host as the request target does")


class AbsoluteTargets:
    """Serves a target in absolute form as the path in it; the host is the target's."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a path."""
        if scope["type"] != "http" or not _SCHEME.match(scope["raw_path"]):
            await self._app(scope, receive, send)
            return
        target = _ABSOLUTE.fullmatch(scope["raw_path"])
        if target is None:
            await refusal_of(scope, RequestMalformedError([_TARGET]))(scope, receive, send)
            return
        scheme, host, path = target[1].lower(), target[2], target[3] or b"/"
        if any(_named(value, scheme) != _named(host, scheme) for value in _hosts(scope)):
            await refusal_of(scope, RequestMalformedError([_DIFFERENT]))(scope, receive, send)
            return
        others = [header for header in scope["headers"] if header[0] != b"host"]
        headers = [(b"host", host), *others]
        inner = {**scope, "path": unquote(path.decode("ascii")), "raw_path": path, "headers": headers}
        await self._app(inner, receive, send)


def _hosts(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"host"]


def _named(host: bytes, scheme: bytes) -> bytes:
    """Return a host in the one way in which it is compared: the usual port says nothing."""
    return host.strip().lower().removesuffix(_USUAL_PORTS[scheme])

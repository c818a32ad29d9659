"""Where a browser sees the service: over TLS or not, and below which path.

Routes know only the service's own paths. Here the path that the service shares its origin below is taken off a request,
whether or not a proxy has done so already, and added to the redirects of the response.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.domain.public_url import PublicUrl
from telemetry_service.web.http.middleware import http_middleware, with_headers

_KEY = "telemetry.place"
_REDIRECTS = ("Location", "HX-Redirect")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the browser that made a request sees the service."""

    secure: bool = False
    """Whether the browser uses TLS."""
    origin: str | None = None
    """The origin that the deployment says it has; None if it does not say."""
    prefix: str = ""
    """The path below which it sees everything, without a slash at its end."""

    def address(self, path: str) -> str:
        """Return the address of one of the service's own paths, as a page must name it."""
        return self.prefix + path

    def own(self, path: str) -> str:
        """Return one of the service's own paths from an address of a page."""
        return _below(path, self.prefix) or path


def place_of(request: Request) -> Place:
    """Return where the browser sees the service."""
    return place_in(request.scope)


def place_in(scope: Scope) -> Place:
    """Return the same from a scope; a request that was refused early has only its scheme."""
    place: Place | None = scope.get(_KEY)
    return place or Place(secure=scope.get("scheme") == "https")


@http_middleware
async def find_place(app: ASGIApp, scope: Scope, receive: Receive, send: Send, public_url: PublicUrl | None) -> None:
    """Tell the routes where the browser sees the service, and serve the service's own paths below it.

    The deployment's word counts; without it, that of a trusted proxy (``forwarded.py`` puts it into ``root_path``).
    """
    prefix = public_url.path if public_url else scope.get("root_path", "")
    secure = scope.get("scheme") == "https" or bool(public_url and public_url.secure)
    place = Place(secure, public_url.origin if public_url else None, prefix)
    found: dict[str, Any] = {**scope, "path": place.own(scope["path"]), "root_path": "", _KEY: place}

    def complete(headers: MutableHeaders) -> None:
        for name in _REDIRECTS:
            if headers.get(name, "").startswith("/"):
                headers[name] = place.address(headers[name])

    await app(found, receive, with_headers(send, complete) if prefix else send)


def _below(path: str, prefix: str) -> str | None:
    """Return the rest of a path below a prefix; None if it is not below it."""
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/"
    return None

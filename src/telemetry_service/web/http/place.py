"""Where a browser sees the service: over TLS or not, below which path, and whether in a frame of a console.

Routes know only the service's own paths. Here the path that the service shares its origin below is removed from a
request, whether or not a proxy has done so already, and added to the redirects of the response. The pages of a frame
have their own path, so that every link, form and redirect of them stays in the frame.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.domain.public_url import PublicUrl
from telemetry_service.web.http.middleware import http_middleware, with_headers

EMBEDDED = "/embedded"
"""Where the pages of the tab are for a frame."""

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
    framed: str | None = None
    """For a page of a frame, the own path of all such pages, which ``EMBEDDED`` replaces."""

    @property
    def embedded(self) -> bool:
        """Whether the request is for a page of a frame."""
        return self.framed is not None

    def address(self, path: str) -> str:
        """Return the address of one of the service's own paths, as a page must name it."""
        if self.framed is not None and path.startswith(self.framed):
            return self.prefix + EMBEDDED + path.removeprefix(self.framed)
        return self.prefix + path

    def outside(self, path: str) -> str:
        """Return the address that a page of a frame names for its own window."""
        return self.prefix + path

    def own(self, address: str) -> str:
        """Return the service's own path at an address that a page named."""
        path = _below(address, self.prefix) or address
        return (_framed_path(path, self.framed) or path) if self.framed is not None else path


def place_of(request: Request) -> Place:
    """Return where the browser sees the service."""
    return place_in(request.scope)


def place_in(scope: Scope) -> Place:
    """Return the same from a scope; a request that was refused early has only its scheme."""
    place: Place | None = scope.get(_KEY)
    return place or Place(secure=scope.get("scheme") == "https")


@http_middleware
async def find_place(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, public_url: PublicUrl | None, framed: str
) -> None:
    """Find out where the browser sees the service, and serve the service's own paths there.

    The deployment decides; if it does not say, a trusted proxy (``forwarded.py`` puts its prefix into ``root_path``).
    The pages below ``framed`` can be shown in a frame.
    """
    secure = scope["scheme"] == "https" or bool(public_url and public_url.secure)
    prefix = public_url.path if public_url else scope.get("root_path", "")
    path = _below(scope["path"], prefix) or scope["path"]
    inside = _framed_path(path, framed)
    place = Place(secure, public_url.origin if public_url else None, prefix, framed if inside else None)
    found: dict[str, Any] = {**scope, "path": inside or path, "root_path": "", _KEY: place}

    def complete(headers: MutableHeaders) -> None:
        for name in _REDIRECTS:
            if headers.get(name, "").startswith("/"):
                headers[name] = place.address(headers[name])

    await app(found, receive, with_headers(send, complete))


def _framed_path(path: str, framed: str) -> str | None:
    """Return the own path of a page of a frame; None for any other path.

    Nothing else has a second address: a proxy may restrict the paths of the API and the metrics.
    """
    inside = _below(path, EMBEDDED)
    return None if inside is None else framed + inside.rstrip("/")


def _below(path: str, prefix: str) -> str | None:
    """Return the rest of a path below a prefix; None if it is not below it."""
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/"
    return None

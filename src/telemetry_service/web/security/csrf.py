"""Keeps other sites from using the administrator's session.

Two defenses: the browser says where a request comes from (``Sec-Fetch-Site``, ``Origin``), and a change must carry the
session's CSRF token, in the header ``X-CSRF-Token`` or the form field ``csrf_token``.
"""

from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

from fastapi import Request

from telemetry_service.domain.errors import RequestForgeryError
from telemetry_service.web.http.place import place_of
from telemetry_service.web.security.cookies import comes_from_login_page

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_SAME_ORIGIN = "same-origin"
_OWN_PAGES = frozenset({_SAME_ORIGIN, "none"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class ForgeryCheck(StrEnum):
    """The checks of a request."""

    SITE = "sec-fetch-site"
    ORIGIN_HIDDEN = "origin-hidden"
    ORIGIN_IS_HOST = "origin-is-host"
    ORIGIN_IS_PUBLIC_URL = "origin-is-public-url"
    OWN_PAGE = "own-page"
    TOKEN_SENT = "csrf-token-sent"  # noqa: S105 - the name of a check
    TOKEN_OF_SESSION = "csrf-token-of-session"  # noqa: S105 - the name of a check


_SENTENCES = {
    ForgeryCheck.SITE: (
        "The browser reports that another site made this request (Sec-Fetch-Site). Open this page directly and try"
        " again."
    ),
    ForgeryCheck.ORIGIN_HIDDEN: (
        "The browser does not say which page made this request (Origin is null). Open this page directly in its own"
        " window and try again."
    ),
    ForgeryCheck.ORIGIN_IS_HOST: (
        "Origin and Host differ: the page in the browser has a different host than the request. If no other site is"
        " involved, a reverse proxy rewrites Host; configure it to pass on the browser's Host (nginx:"
        " proxy_set_header Host $http_host)."
    ),
    ForgeryCheck.ORIGIN_IS_PUBLIC_URL: (
        "The page in the browser has another origin than TELEMETRY_PUBLIC_URL. Open the service at its public URL and"
        " try again."
    ),
    ForgeryCheck.OWN_PAGE: (
        "Nothing says that a page of this service made this request: a change under the identity of the console's"
        " gateway needs Sec-Fetch-Site: same-origin, or Origin. Programs should send a service token instead."
    ),
    ForgeryCheck.TOKEN_SENT: (
        "The request has no CSRF token. Reload the page and try again. Programs should send a service token instead"
        " of a session."
    ),
    ForgeryCheck.TOKEN_OF_SESSION: (
        "The CSRF token belongs to another session, or the session has ended. Reload the page and try again."
    ),
}


class ForgeryCheckError(RequestForgeryError):
    """The request failed one of the checks."""

    def __init__(self, check: ForgeryCheck) -> None:
        """Say which one, and how to fix it."""
        self.check = check
        super().__init__(_SENTENCES[check])


def is_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site led to this request."""
    return request.headers.get("sec-fetch-site", _SAME_ORIGIN) not in _OWN_PAGES


def may_be_led_by_others(request: Request) -> bool:
    """Whether another site may have led the browser to a page that acts when it is shown.

    Without TLS, browsers do not say so. They still keep a strict cookie from what other sites lead them to.
    """
    if "sec-fetch-site" in request.headers:
        return is_from_elsewhere(request)
    return not comes_from_login_page(request)


def check_origin(request: Request) -> None:
    """Refuse what a browser sends on behalf of another site.

    ``Sec-Fetch-Site`` is the browser's own statement. If it is missing, as without TLS, the ``Origin`` must be this
    host. If the deployment names its public URL, the ``Origin`` must always be that one. A caller that sends neither
    is not a current browser, and passes.

    Raises:
        RequestForgeryError: the request comes from another site.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if is_from_elsewhere(request):
        raise ForgeryCheckError(ForgeryCheck.SITE)
    if origin == "null":
        if site is None:
            raise ForgeryCheckError(ForgeryCheck.ORIGIN_HIDDEN)
    elif origin is not None:
        _check_host(origin, request, verified=site is not None)


def check_own_page(request: Request) -> None:
    """Refuse what does not come from a page of this host, for certain.

    A gateway adds the identity to every request, no matter who made it, so a caller that says nothing does not pass.

    Raises:
        RequestForgeryError: it comes from elsewhere, or it is unknown where from.
    """
    check_origin(request)
    said = request.headers.get("sec-fetch-site")
    if said != _SAME_ORIGIN and (said is not None or "origin" not in request.headers):
        raise ForgeryCheckError(ForgeryCheck.OWN_PAGE)


async def check_token(request: Request, is_proof: Callable[[str], bool]) -> None:
    """Refuse a change that does not carry the CSRF token of the person who is logged in.

    Raises:
        RequestForgeryError: the token is missing or belongs to someone else.
    """
    proof = request.headers.get(HEADER) or await _field(request)
    if not proof:
        raise ForgeryCheckError(ForgeryCheck.TOKEN_SENT)
    if not is_proof(proof):
        raise ForgeryCheckError(ForgeryCheck.TOKEN_OF_SESSION)


async def _field(request: Request) -> str | None:
    if not request.headers.get("content-type", "").lower().startswith(FORMS):
        return None
    value = (await request.form()).get(FIELD)
    return value if isinstance(value, str) else None


def _check_host(origin: str, request: Request, *, verified: bool) -> None:
    """Refuse another origin; without a public URL, the browser's own statement is enough."""
    public = place_of(request).origin
    if public is not None:
        if origin.lower() != public:
            raise ForgeryCheckError(ForgeryCheck.ORIGIN_IS_PUBLIC_URL)
    elif not verified and not _is_own(origin, request):
        raise ForgeryCheckError(ForgeryCheck.ORIGIN_IS_HOST)


def _is_own(origin: str, request: Request) -> bool:
    # The scheme is ignored: behind a proxy that terminates TLS, it differs from the browser's.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    usual_port = _USUAL_PORTS.get(parts.scheme, "")
    host = request.headers.get("host", "").lower().removesuffix(usual_port)
    return host != "" and parts.netloc.lower().removesuffix(usual_port) == host

"""Keeps other sites from using the administrator's session.

Two locks: the browser says where a request comes from (``Sec-Fetch-Site``, ``Origin``), and what
changes something must carry the session's CSRF token, in the header ``X-CSRF-Token`` or the form
field ``csrf_token``.
"""

from urllib.parse import urlsplit

from fastapi import Request

from telemetry_service.access.sessions import Sessions
from telemetry_service.domain.errors import RequestForgeryError

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_OWN_PAGES = frozenset({"same-origin", "none"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def check_origin(request: Request) -> None:
    """Refuse what a browser sends on behalf of another site.

    ``Sec-Fetch-Site`` is the browser's own word on it; where there is none, as without TLS, the ``Origin``
    must be this host. A caller that says nothing of where it comes from is no browser of today, and passes.

    Raises:
        RequestForgeryError: the request comes from another site.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site not in _OWN_PAGES:
        raise RequestForgeryError
    if site is None and origin is not None and not _is_own(origin, request):
        raise RequestForgeryError


async def check_token(request: Request, sessions: Sessions, session_token: str) -> None:
    """Refuse a change that does not carry the session's CSRF token.

    Raises:
        RequestForgeryError: the token is missing or another session's.
    """
    proof = request.headers.get(HEADER) or await _field(request)
    if not proof or not sessions.is_proof(session_token, proof):
        raise RequestForgeryError


async def _field(request: Request) -> str | None:
    if not request.headers.get("content-type", "").lower().startswith(FORMS):
        return None
    value = (await request.form()).get(FIELD)
    return value if isinstance(value, str) else None


def _is_own(origin: str, request: Request) -> bool:
    # The scheme is left out: behind a proxy that ends TLS the browser's is not the one seen here.
    try:
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
    except ValueError:
        return False

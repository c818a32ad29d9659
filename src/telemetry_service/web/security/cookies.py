"""The session cookie. Over TLS, the prefix of its name binds it to this host."""

from fastapi import Request, Response

SESSION_SECONDS = 12 * 60 * 60
"""As long as the longest session; the server ends an unused one earlier."""

_NAME = "telemetry_session"
_NAME_OVER_TLS = f"__Host-{_NAME}"


def read_session_cookie(request: Request) -> str | None:
    """Return the session token that the browser sent, or None."""
    return request.cookies.get(_name(request))


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Set the session token in the browser, inaccessible to scripts."""
    response.set_cookie(
        _name(request),
        token,
        max_age=SESSION_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        # Lax, not strict: a link from elsewhere to a transmission must find the reader logged in.
        # csrf.py protects changes.
        samesite="lax",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Delete the session token in the browser."""
    response.delete_cookie(
        _name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def _name(request: Request) -> str:
    return _NAME_OVER_TLS if request.url.scheme == "https" else _NAME

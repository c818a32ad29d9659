"""The session cookie. Over TLS it is bound to this very host by its name's prefix."""

from fastapi import Request, Response

SESSION_SECONDS = 12 * 60 * 60
"""As long as the longest session; the server ends it earlier where no one uses it."""

_NAME = "telemetry_session"
_NAME_OVER_TLS = f"__Host-{_NAME}"


def read_session_cookie(request: Request) -> str | None:
    """Return the session token that the browser sent, or None."""
    return request.cookies.get(_name(request))


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Give the browser its session token, out of reach of any script."""
    response.set_cookie(
        _name(request),
        token,
        max_age=SESSION_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        # Lax and not strict: a link to a transmission, followed from elsewhere, must find its reader logged in.
        # What changes something is guarded by csrf.py.
        samesite="lax",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Take the session token from the browser."""
    response.delete_cookie(
        _name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def _name(request: Request) -> str:
    return _NAME_OVER_TLS if request.url.scheme == "https" else _NAME

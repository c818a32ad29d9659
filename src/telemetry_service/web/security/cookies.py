"""The names and attributes of our cookies. Over TLS, the prefix of a name binds the cookie to this host or path."""

from typing import Any, Literal

from fastapi import Request, Response

from telemetry_service.web.http.place import Place, place_of

SESSION_SECONDS = 12 * 60 * 60
"""As long as the longest session; the server ends an unused one earlier."""

DEVICE_SECONDS = 400 * 24 * 60 * 60
"""As long as browsers keep a cookie. It opens nothing, and a new password ends it."""

PROVIDER_SECONDS = 10 * 60
"""As long as a login at the provider may take."""

_SESSION, _DEVICE, _PROVIDER = "telemetry_session", "telemetry_device", "telemetry_provider_login"


def read_session_cookie(request: Request) -> str | None:
    """Return the session token that the browser sent, or None."""
    return request.cookies.get(cookie_name(place_of(request), _SESSION))


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Set the session token in the browser."""
    response.set_cookie(value=token, max_age=SESSION_SECONDS, **cookie(request, _SESSION))


def clear_session_cookie(request: Request, response: Response) -> None:
    """Delete the session token in the browser."""
    response.delete_cookie(**cookie(request, _SESSION))


def read_device_cookie(request: Request) -> str | None:
    """Return what a browser that has logged in before sent, or None."""
    return request.cookies.get(cookie_name(place_of(request), _DEVICE))


def set_device_cookie(request: Request, response: Response, value: str) -> None:
    """Let the browser be known at its next login. It stays there after a logout."""
    response.set_cookie(value=value, max_age=DEVICE_SECONDS, **cookie(request, _DEVICE, "strict"))


def read_provider_cookie(request: Request) -> str | None:
    """Return the login at the provider that the browser began, sealed, or None."""
    return request.cookies.get(cookie_name(place_of(request), _PROVIDER))


def set_provider_cookie(request: Request, response: Response, login: str) -> None:
    """Keep a login that the browser begins. Lax: the provider's redirect must bring it back."""
    response.set_cookie(value=login, max_age=PROVIDER_SECONDS, **cookie(request, _PROVIDER))


def clear_provider_cookie(request: Request, response: Response) -> None:
    """Delete it."""
    response.delete_cookie(**cookie(request, _PROVIDER))


def cookie(request: Request, name: str, samesite: Literal["lax", "strict"] = "lax") -> dict[str, Any]:
    """Return the name and attributes of one of our cookies, inaccessible to scripts.

    Lax by default: a link from elsewhere to a transmission must find the reader logged in. csrf.py protects changes.
    """
    place = place_of(request)
    return {
        "key": cookie_name(place, name),
        "path": place.prefix or "/",
        "secure": place.secure,
        "httponly": True,
        "samesite": samesite,
    }


def cookie_name(place: Place, name: str) -> str:
    """Return the name of a cookie. Browsers accept ``__Host-`` only with TLS and for the whole origin."""
    if not place.secure:
        return name
    return f"__Secure-{name}" if place.prefix else f"__Host-{name}"

"""The names and attributes of our cookies. Over TLS, the prefix of a name binds the cookie to this host or path."""

import hashlib
from collections.abc import Iterable, Mapping
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
_LOGIN_PAGE = "telemetry_login_page"
_DIGITS, _HEXADECIMAL = 16, frozenset("0123456789abcdef")


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


def note_login_page(request: Request, response: Response) -> None:
    """Let the browser show that it comes from our login. A strict cookie goes nowhere that another site leads to."""
    response.set_cookie(value="shown", max_age=SESSION_SECONDS, **cookie(request, _LOGIN_PAGE, "strict"))


def clear_login_page(request: Request, response: Response) -> None:
    """Delete what the login page has left in the browser."""
    if comes_from_login_page(request):
        response.delete_cookie(**cookie(request, _LOGIN_PAGE, "strict"))


def comes_from_login_page(request: Request) -> bool:
    """Whether our own page led the browser here, after it was shown the login."""
    return cookie_name(place_of(request), _LOGIN_PAGE) in request.cookies


def provider_cookies(request: Request) -> Mapping[str, str]:
    """Return the logins at the provider that the browser has begun, sealed, by the names of their cookies."""
    begin = cookie_name(place_of(request), f"{_PROVIDER}_")
    return {name: value for name, value in request.cookies.items() if _is_login(name, begin)}


def provider_cookie_of(request: Request, state: str) -> str:
    """Return the name of the cookie of one login: each tab of a browser may have begun one.

    It holds a digest, because anyone can make up a state, and a name must not contain everything.
    """
    digest = hashlib.sha256(state.encode()).hexdigest()[:_DIGITS]
    return cookie_name(place_of(request), f"{_PROVIDER}_{digest}")


def set_provider_cookie(request: Request, response: Response, state: str, login: str) -> None:
    """Keep a login that the browser begins. Lax: the provider's redirect must bring it back."""
    name = provider_cookie_of(request, state)
    response.set_cookie(value=login, max_age=PROVIDER_SECONDS, **cookie(request, _PROVIDER) | {"key": name})


def clear_provider_cookies(request: Request, response: Response, names: Iterable[str]) -> None:
    """Delete logins that are over."""
    for name in names:
        response.delete_cookie(**cookie(request, _PROVIDER) | {"key": name})


def _is_login(name: str, begin: str) -> bool:
    digest = name.removeprefix(begin)
    return name.startswith(begin) and len(digest) == _DIGITS and _HEXADECIMAL.issuperset(digest)


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

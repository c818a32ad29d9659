"""Light or dark: the system's choice, unless the administrator has chosen."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import unquote, urlsplit

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.web.http.place import place_of
from telemetry_service.web.security.authorization import viewer_page
from telemetry_service.web.security.cookies import cookie, cookie_name
from telemetry_service.web.tab import paths
from telemetry_service.web.topic import Topic

_COOKIE = "telemetry_theme"
_THEMES = frozenset({"light", "dark"})
_DOTS = frozenset({".", ".."})
_YEAR_SECONDS = 365 * 24 * 60 * 60

router = Topic("tab", described=False)


def theme_of(request: Request) -> str | None:
    """Return the chosen theme, or None if the system decides."""
    theme = request.cookies.get(cookie_name(place_of(request), _COOKIE))
    return theme if theme in _THEMES else None


@router.post(paths.APPEARANCE)
@viewer_page
def choose_appearance(
    request: Request, theme: Annotated[str, Form()], back: Annotated[str, Form()] = paths.TAB
) -> Response:
    """Store the choice in the browser, and go back to the page where it was made."""
    response = RedirectResponse(local_address(back), HTTPStatus.SEE_OTHER)
    if theme in _THEMES:
        response.set_cookie(value=theme, max_age=_YEAR_SECONDS, **cookie(request, _COOKIE))
    else:
        response.delete_cookie(**cookie(request, _COOKIE))
    return response


def local_address(address: str) -> str:
    """Return the address if it is one of this service's pages, else the tab's: no redirect leads elsewhere."""
    ours = address.startswith(paths.TAB) and address[len(paths.TAB) :][:1] in {"", "/", "?", "#"}
    plain = "\\" not in address and address.isprintable() and address.isascii()
    return address if ours and plain and not _climbs(address) else paths.TAB


def _climbs(address: str) -> bool:
    """Whether the path has a dot segment, encoded or not: a browser resolves it, and leaves our pages."""
    return not _DOTS.isdisjoint(unquote(urlsplit(address).path).split("/"))

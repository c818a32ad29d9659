"""How the tab shows an error: a page for a browser, a toast for htmx, and the login if the session has ended."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response

from telemetry_service.domain.errors import AccessDeniedError, NotFoundError, RequestForgeryError
from telemetry_service.web.errors.problem import Problem, problem_response
from telemetry_service.web.http.place import place_of
from telemetry_service.web.security.authorization import LoginNeededError
from telemetry_service.web.security.csrf import SAFE_METHODS
from telemetry_service.web.security.new_session import set_renewed_session
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import form_again, keep_form, read_unsaved_form
from telemetry_service.web.tab.labels import Badge
from telemetry_service.web.tab.rendering import is_htmx, pages_of, see_other

_FOR_PROGRAMS = ("/api/", "/metrics", "/static/")


class TabErrorPages:
    """The pages of the tab and the login, for the one exception handler."""

    def include(self, request: Request) -> bool:
        """Whether a request is for one of these pages, or for an address that a browser has made up."""
        path = request.url.path
        return path.startswith((paths.TAB, paths.LOGIN, paths.LOGOUT)) or _is_for_people(request, path)

    async def respond(self, request: Request, problem: Problem) -> Response:
        """Return a response that the browser can show. Changes in one of our forms are not lost."""
        if isinstance(problem.error, LoginNeededError):
            respond = _in_frame if place_of(request).embedded else _to_login
            return await keep_form(request, respond(request, problem))
        if isinstance(problem.error, AccessDeniedError) and is_htmx(request):
            return problem_response(problem)  # In place: the page that is open stays.
        if isinstance(problem.error, RequestForgeryError) and (again := await form_again(request)) is not None:
            return again
        response = _toast(request, problem) if is_htmx(request) else _page(request, problem)
        set_renewed_session(request, response)
        return response


def _is_for_people(request: Request, path: str) -> bool:
    """Whether a browser that is to show a page asks for what no program does."""
    return "text/html" in request.headers.get("accept", "") and not path.startswith(_FOR_PROGRAMS)


def _page(request: Request, problem: Problem) -> Response:
    shown = {"title": _title(problem), "sentence": problem.detail, "code": problem.code}
    page = pages_of(request).page(request, "problem.html", shown, problem.status)
    page.headers.update(problem.headers)
    return page


def _title(problem: Problem) -> str:
    if isinstance(problem.error, NotFoundError):
        return "Not found"
    return "Can’t do that" if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Something went wrong"


def _toast(request: Request, problem: Problem) -> Response:
    """Leave the page unchanged and show the problem. The status is for htmx, which does not show refusals."""
    shown = {"toast": Badge(problem.detail, "cross", "bad")}
    response = pages_of(request).fragments(request, None, ("telemetry/toasts.html",), shown)
    response.headers["HX-Reswap"] = "none"
    return response


def _to_login(request: Request, problem: Problem) -> Response:
    """Redirect the browser to the login, which leads back to the requested page."""
    if is_htmx(request):
        # htmx would follow a redirect and put the login into the middle of the page.
        response = problem_response(problem)
        response.headers["HX-Redirect"] = _login(_shown_path(request), ended=True)
        return response
    if request.method in SAFE_METHODS:
        return see_other(_login(str(request.url), ended=False))
    return see_other(_login("", ended=True))


def _in_frame(request: Request, problem: Problem) -> Response:
    """Say in the frame that no one is logged in: neither the frame nor the console around it is led away."""
    if is_htmx(request):
        response = problem_response(problem)
        # The page as it is now: it says the same.
        response.headers["HX-Redirect"] = _shown_path(request)
        return response
    shown = request.url.path if request.method in SAFE_METHODS else paths.TAB
    place = place_of(request)
    words = {
        "login": place.outside(_login(paths.LOGGED_IN, ended=False)),
        "again": place.address(shown),
        "unsaved_form": read_unsaved_form(request) is not None,
    }
    return pages_of(request).page(request, "frame_login.html", words, problem.status)


def _shown_path(request: Request) -> str:
    """Return the own path of the page that htmx requests from, with its query."""
    shown = urlsplit(request.headers.get("hx-current-url", ""))
    return place_of(request).own(shown.path) + (f"?{shown.query}" if shown.query else "")


def _login(asked_for: str, *, ended: bool) -> str:
    """Return the address of the login, which redirects to ``asked_for`` and says that a session has ended.

    Only the part of the address on this site is kept; the login redirects only to the service's own pages.
    """
    parts = urlsplit(asked_for)
    address = parts.path + (f"?{parts.query}" if parts.query else "")
    asked = ([f"next={quote(address, safe='/')}"] if address else []) + (["ended=true"] if ended else [])
    return paths.LOGIN + (f"?{'&'.join(asked)}" if asked else "")

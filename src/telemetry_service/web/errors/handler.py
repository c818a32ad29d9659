"""Faults on the way to a page: a page for a browser, a toast for htmx, a problem document for everybody else."""

import inspect
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from telemetry_service.domain.errors import NotFoundError, RequestForgeryError, TelemetryError
from telemetry_service.web.errors.log_lines import log_call_refused
from telemetry_service.web.errors.problems import problem_of, retry_after, status_of
from telemetry_service.web.errors.request_errors import InputRefusedError
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.unsaved_form import form_again
from telemetry_service.web.tab.labels import Badge
from telemetry_service.web.tab.rendering import is_htmx, pages_of


def fault_answer(request: Request, error: TelemetryError) -> Response:
    """Return the answer to an error of ours in the form that the caller can show."""
    if not _is_ours(request):
        return problem_of(request, error)
    log_call_refused(request, error, status_of(error))
    if is_htmx(request):
        return _toast(request, error)
    status = status_of(error)
    shown = {"title": _title(error, status), "sentence": error.text, "code": error.code}
    page = pages_of(request).page(request, "problem.html", shown, status)
    page.headers.update(retry_after(error))
    return page


def _toast(request: Request, error: TelemetryError) -> Response:
    """Leave the page as it is and say what is wrong: the answer's status is for htmx, and it was understood."""
    shown = {"toast": Badge(error.text, "cross", "bad")}
    response = pages_of(request).fragments(request, None, ("telemetry/toasts.html",), shown)
    response.headers["HX-Reswap"] = "none"
    return response


def _title(error: TelemetryError, status: HTTPStatus) -> str:
    if isinstance(error, NotFoundError):
        return "Not found"
    return "Can’t do that" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Something went wrong"


def add_faults(app: FastAPI) -> None:
    """Let the tab's own routes answer with pages and toasts; all others answer as before."""

    async def ours(request: Request, error: Exception) -> Response:
        if not isinstance(error, TelemetryError):
            raise error
        if isinstance(error, RequestForgeryError) and (again := await form_again(request)) is not None:
            return again
        return fault_answer(request, error)

    app.add_exception_handler(TelemetryError, ours)
    for kind, said in ((RequestValidationError, _misread), (HTTPException, _not_there)):
        _answer_before(app, kind, said)


Said = Callable[[Request, Exception], TelemetryError | None]


def _answer_before(app: FastAPI, kind: type[Exception], said: Said) -> None:
    """Answer for the tab's own paths, and leave all others to whoever answered before."""
    before = app.exception_handlers[kind]

    async def answer(request: Request, error: Exception) -> Response:
        ours = said(request, error) if _is_ours(request) else None
        if ours is not None:
            return fault_answer(request, ours)
        answered = before(request, error)
        return await answered if inspect.isawaitable(answered) else answered

    app.add_exception_handler(kind, answer)


def _misread(request: Request, _error: Exception) -> TelemetryError:
    """An address that cannot be read leads nowhere; a form that cannot be read is not one of these pages."""
    return NotFoundError() if request.method == "GET" else InputRefusedError(())


def _not_there(_request: Request, error: Exception) -> TelemetryError | None:
    missing = isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND
    return NotFoundError() if missing else None


def _is_ours(request: Request) -> bool:
    return request.url.path.startswith((paths.TAB, paths.LOGIN, paths.LOGOUT))

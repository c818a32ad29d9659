"""Every refusal is an ``application/problem+json`` (RFC 9457) with a stable type and a sentence of ours.

The one table from errors to HTTP status stands here. What nobody foresaw is a 500 that says nothing:
neither the answer nor the log repeats an exception's text, which can hold a URL, a host or a key.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.domain import errors
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.identity.accounts import LoginBlockedError
from telemetry_service.identity.passwords import PasswordRefusedError
from telemetry_service.identity.tokens import TokenRefusedError
from telemetry_service.log.context import current_request
from telemetry_service.log.write import log_exception
from telemetry_service.web.errors import request_errors as refusals
from telemetry_service.web.errors.explanations import explain
from telemetry_service.web.errors.log_lines import log_call_refused
from telemetry_service.web.security.authorization import LOGIN_PATH, LoginNeededError, allowed_methods
from telemetry_service.web.security.csrf import SAFE_METHODS

PROBLEM_TYPE = "urn:control-core:telemetry:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
"""How long a caller waits where the database or a free connection was not there: it often is a moment later."""

REPORTS_SHOWN = 100
"""Refused reports that one answer names. Whoever leaves them out and sends the others hears of the next ones."""

STATUS: dict[type[TelemetryError], HTTPStatus] = {
    errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.SchemaTooNewError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KeyUnusableError: HTTPStatus.CONFLICT,
    errors.NotConfiguredError: HTTPStatus.CONFLICT,
    errors.TelemetryDisabledError: HTTPStatus.CONFLICT,
    errors.LockedByDeploymentError: HTTPStatus.CONFLICT,
    errors.StaleConfigurationError: HTTPStatus.PRECONDITION_FAILED,
    errors.ConfirmationRequiredError: HTTPStatus.CONFLICT,
    errors.PreviewStaleError: HTTPStatus.PRECONDITION_FAILED,
    errors.StaleLicenseError: HTTPStatus.PRECONDITION_FAILED,
    errors.PreconditionRequiredError: HTTPStatus.PRECONDITION_REQUIRED,
    errors.CustomerContradictionError: HTTPStatus.CONFLICT,
    errors.ExtensionCodeConflictError: HTTPStatus.CONFLICT,
    errors.PayloadContradictionError: HTTPStatus.CONFLICT,
    errors.UsageRefusedError: HTTPStatus.CONFLICT,
    errors.PeriodFullError: HTTPStatus.CONFLICT,
    errors.TooManyBouncersError: HTTPStatus.CONFLICT,
    errors.RegistryFullError: HTTPStatus.CONFLICT,
    errors.ExtensionCodeRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ExtensionCodesFullError: HTTPStatus.CONFLICT,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.AlreadyDeliveredError: HTTPStatus.CONFLICT,
    errors.AttemptUnderWayError: HTTPStatus.CONFLICT,
    errors.CursorInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AccessDeniedError: HTTPStatus.UNAUTHORIZED,
    errors.ScopeMissingError: HTTPStatus.FORBIDDEN,
    errors.RecentLoginRequiredError: HTTPStatus.FORBIDDEN,
    errors.LoginFailedError: HTTPStatus.UNAUTHORIZED,
    errors.LoginThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestForgeryError: HTTPStatus.FORBIDDEN,
    PasswordRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TokenRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    refusals.InputRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    refusals.RequestMalformedError: HTTPStatus.BAD_REQUEST,
    refusals.RequestTooSlowError: HTTPStatus.REQUEST_TIMEOUT,
    refusals.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    refusals.ExchangesBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    refusals.LoginsBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    refusals.MethodRefusedError: HTTPStatus.METHOD_NOT_ALLOWED,
    refusals.BodyMalformedError: HTTPStatus.BAD_REQUEST,
    refusals.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    refusals.MediaTypeRefusedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""A subclass that is not listed has its parent's status. What has none at all is a fault of ours: 500."""

_IN_A_MOMENT = (
    errors.StorageUnavailableError,
    refusals.OverloadedError,
    refusals.ExchangesBusyError,
    refusals.LoginsBusyError,
)
"""What is likely to be over soon."""

_FRAMEWORK: dict[HTTPStatus, type[TelemetryError]] = {
    HTTPStatus.BAD_REQUEST: refusals.RequestMalformedError,
    HTTPStatus.NOT_FOUND: errors.NotFoundError,
    HTTPStatus.METHOD_NOT_ALLOWED: refusals.MethodRefusedError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: refusals.BodyTooLargeError,
}
"""What the framework refuses by itself. It has no other ways; what it may get answers 500."""


def status_of(error: TelemetryError) -> HTTPStatus:
    """Return the HTTP status of an error of ours."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[TelemetryError]) -> HTTPStatus:
    """Return the HTTP status of a kind of error."""
    found = (STATUS[parent] for parent in kind.__mro__ if parent in STATUS)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(status: HTTPStatus, code: str, detail: str, **members: Any) -> Response:  # noqa: ANN401 - extension members
    """Return a problem document; ``members`` are its extensions."""
    content = {"type": PROBLEM_TYPE + code, "title": status.phrase, "status": status.value, "detail": detail, **members}
    request = current_request()
    if request is not None:
        content["request_id"] = request.request_id
    return JSONResponse(content, status.value, media_type=MEDIA_TYPE)


def problem_of(request: Request, error: Exception) -> Response:
    """Return the problem document of an error of ours, as the framework asks for it."""
    if not isinstance(error, TelemetryError):
        raise error
    log_call_refused(request, error, status_of(error))
    return answer_to(error)


def answer_to(error: TelemetryError) -> Response:
    """Return the problem document of an error of ours."""
    status = status_of(error)
    faults = [{"field": field, "problem": what} for field, what in _faults(error)]
    members = {"errors": faults} if faults else {}
    answer = problem(status, error.code, error.text, **members)
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="telemetry"'
    answer.headers.update(retry_after(error))
    return answer


def _faults(error: TelemetryError) -> Iterator[tuple[str, str]]:
    if isinstance(error, refusals.InputRefusedError):
        yield from ((fault.field, fault.problem) for fault in error.faults)
    elif isinstance(error, errors.UsageRefusedError):
        for index, name, what in error.faults[:REPORTS_SHOWN]:
            yield f"reports[{index}].{name}", what


def retry_after(error: TelemetryError) -> dict[str, str]:
    """Return the header that says when to try again, where waiting helps; an answer of any form carries it."""
    if isinstance(error, LoginBlockedError):
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, _IN_A_MOMENT) else {}


def add_problems(app: FastAPI) -> None:
    """Make the application answer every refusal with a problem document."""

    async def ours(request: Request, error: Exception) -> Response:
        return problem_of(request, error)

    app.add_exception_handler(TelemetryError, ours)
    app.add_exception_handler(LoginNeededError, _lead_to_login)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(HTTPException, _framework)


async def _lead_to_login(request: Request, error: Exception) -> Response:
    """Send a browser to the login, from where it comes back to the page that it asked for."""
    if "hx-request" in request.headers:
        # htmx would follow a redirect and put the login into the middle of the page.
        answer = problem_of(request, error)
        answer.headers["HX-Redirect"] = _login(request.headers.get("hx-current-url", ""), ended=True)
        return answer
    if request.method in SAFE_METHODS:
        return RedirectResponse(_login(str(request.url), ended=False), HTTPStatus.SEE_OTHER)
    return RedirectResponse(_login("", ended=True), HTTPStatus.SEE_OTHER)


def _login(asked_for: str, *, ended: bool) -> str:
    """Return the login's address, which leads on to ``asked_for`` and says that a session has ended.

    Of the address only what stands on this site is kept; the login follows nothing but the service's own pages.
    """
    parts = urlsplit(asked_for)
    address = parts.path + (f"?{parts.query}" if parts.query else "")
    asked = ([f"next={quote(address, safe='/')}"] if address else []) + (["ended=true"] if ended else [])
    return LOGIN_PATH + (f"?{'&'.join(asked)}" if asked else "")


async def _parameters(request: Request, error: Exception) -> Response:
    found: list[dict[str, Any]] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    # The first step says where the parameter stood: query, path, header.
    below = ({**one, "loc": one["loc"][1:]} for one in found)
    return problem_of(request, refusals.InputRefusedError(explain(below)))


async def _framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    kind = _FRAMEWORK.get(status, TelemetryError)
    answer = problem(status, kind.code, kind.sentence)
    answer.headers.update(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(allowed_methods(request.app, request.url.path))
    return answer


class LastResort:
    """Answers what nobody foresaw, and logs where it happened without its text: pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 500 where that ends in an unforeseen exception."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # Nobody is there any more to be answered.
        except Exception as error:  # noqa: BLE001 - the server would log whatever it is, text and all
            _log_end(scope, error, started=started)
            if scope["type"] != "http" or started:
                # The answer is cut off, so that nobody takes half of it for the whole.
                raise CutOffError from None
            answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, TelemetryError.code, TelemetryError.sentence)
            await answer(scope, receive, send)


def _log_end(scope: Scope, error: Exception, *, started: bool) -> None:
    """Log what ended a request. Once an answer has begun, the framework hands an error of ours on in one of its own."""
    known = error.__cause__
    if started and isinstance(known, TelemetryError):
        log_call_refused(Request(scope), known, status_of(known))
    else:
        log_exception(error, "request")


class CutOffError(Exception):
    """An answer broke off in the middle; the log has the reason's place."""

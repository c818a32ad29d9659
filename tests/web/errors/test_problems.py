"""Every refusal is a problem document of a stable type that says nothing it should not."""

import inspect
import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.middleware import Middleware
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from telemetry_service.domain import errors
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.identity import accounts, passwords, tokens
from telemetry_service.identity.scopes import Scope
from telemetry_service.log.events import Event
from telemetry_service.web.errors import request_errors as refusals
from telemetry_service.web.errors.handler import ErrorHandler, ErrorMiddleware, ResponseCutOffError
from telemetry_service.web.errors.problem import problem_of
from telemetry_service.web.errors.request_errors import FieldError
from telemetry_service.web.errors.statuses import STATUS
from telemetry_service.web.security import authorization
from tests.support.each import each
from tests.support.log_lines import lines_in, lines_of
from tests.support.running import Running, code_in, problem_in

SECRET = "ck_live_canary_4711"

NOT_OVER_HTTP = {
    errors.SettingsError,
    errors.DatabaseMissingError,
    errors.SchemaBehindError,
    errors.ServiceRunningError,
    errors.NotABackupError,
    errors.DatabaseNotEmptyError,
    errors.DoneByPostgresqlError,
}
"""Raised at the start, before anybody can call, or by a command alone."""


def _our_errors() -> list[type[TelemetryError]]:
    modules = (errors, refusals, accounts, passwords, tokens, authorization)
    found = [kind for module in modules for _name, kind in inspect.getmembers(module, inspect.isclass)]
    return sorted({kind for kind in found if issubclass(kind, TelemetryError)}, key=lambda kind: kind.__name__)


@each("kind", _our_errors())
def test_each_of_our_errors_has_a_status_and_a_code_and_a_sentence(kind: type[TelemetryError]) -> None:
    assert kind.code == kind.code.lower().replace("_", "-")
    assert kind.sentence.endswith(".")
    if kind not in NOT_OVER_HTTP | {TelemetryError}:
        assert any(parent in STATUS for parent in kind.__mro__)


def test_codes_are_not_used_for_two_things() -> None:
    own = [kind.code for kind in _our_errors() if "code" in vars(kind)]
    assert len(own) == len(set(own))


@each(
    ("error", "status"),
    [
        (errors.StorageUnavailableError(), 503),
        (errors.StorageBusyError(), 503),
        (errors.StorageFullError(), 507),
        (errors.StaleConfigurationError(), 412),
        (errors.StaleLicenseError(), 412),
        (errors.PreconditionRequiredError(), 428),
        (errors.LoginThrottledError(), 429),
        (TelemetryError(), 500),
    ],
)
def test_an_error_has_its_status(error: TelemetryError, status: int) -> None:
    assert problem_of(error).status == status


def test_a_failing_database_says_when_to_come_back() -> None:
    assert problem_of(errors.StorageBusyError()).headers == {"Retry-After": "5"}
    assert problem_of(errors.StorageFullError()).headers == {"Retry-After": "5"}
    assert problem_of(errors.NotFoundError()).headers == {}


def test_a_problem_names_twenty_fields_at_most() -> None:
    error = refusals.InputRefusedError(FieldError(f"reports[{number}]", "must be an object") for number in range(50))
    assert len(problem_of(error).fields) == 20


@each("path", ["/nothing", "/api/v1/nothing", "/api/v1/usage/", "/docs", "/redoc", "/openapi.json"])
def test_what_does_not_exist_is_a_problem_too(shared: Running, path: str) -> None:
    response = shared.call(Scope.ADMIN, "GET", path)
    assert (response.status_code, code_in(response)) == (404, "not-found")


def test_a_wrong_method_names_the_right_ones(shared: Running) -> None:
    response = shared.call(Scope.ADMIN, "POST", "telemetry/config")
    assert (response.status_code, code_in(response)) == (405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, PATCH, PUT"
    assert shared.call(Scope.ADMIN, "OPTIONS", "usage").headers["allow"] == "POST"


@each("path", ["/", "/login", "/healthz", "/static/icon.svg", "/settings/general/telemetry", "/api/v1/usage"])
def test_trace_is_refused_everywhere(shared: Running, path: str) -> None:
    response = shared.client.request("TRACE", path, headers={"X-Secret": "zX9-canary"})
    assert response.status_code == 405
    assert "zX9-canary" not in response.text


def test_head_responds_as_get_does_without_the_body(shared: Running) -> None:
    got, head = (shared.call(Scope.READ, method, "telemetry/dictionary") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def _failing() -> FastAPI:
    handler = ErrorHandler()
    around = [Middleware(ErrorMiddleware, handler=handler)]
    app = FastAPI(openapi_url=None, middleware=around, exception_handlers=handler.by_kind())

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError(SECRET)

    @app.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        def lines() -> Iterator[str]:
            yield "one"
            raise RuntimeError(SECRET)

        return StreamingResponse(lines())

    return app


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_an_unexpected_error_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    transport = httpx.ASGITransport(_failing())
    with caplog.at_level(logging.DEBUG):
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.get("/fails")
    assert (response.status_code, code_in(response)) == (500, "internal")
    assert SECRET not in response.text
    assert SECRET not in caplog.text
    assert SECRET not in str(lines_in(caplog))
    [line] = lines_of(caplog, Event.UNEXPECTED_EXCEPTION)
    assert (line["job"], line["error"]) == ("request", "RuntimeError")


@pytest.mark.anyio
async def test_a_response_that_breaks_off_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    transport = httpx.ASGITransport(_failing())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(ResponseCutOffError) as cut:
            await client.get("/breaks-off")
    assert cut.value.__suppress_context__
    assert SECRET not in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("refusal", "code"), [(errors.StorageUnavailableError, None), (errors.CursorInvalidError, "cursor-invalid")]
)
async def test_a_response_that_one_of_our_errors_breaks_off_is_not_a_bug(
    refusal: type[TelemetryError], code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = _failing()

    @app.get("/ends")
    async def ends() -> StreamingResponse:
        def lines() -> Iterator[str]:
            yield "one"
            raise refusal

        return StreamingResponse(lines())

    transport = httpx.ASGITransport(app)
    with caplog.at_level(logging.DEBUG):
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            with pytest.raises(ResponseCutOffError):
                await client.get("/ends")
    assert lines_of(caplog, Event.UNEXPECTED_EXCEPTION) == []
    logged = [line["code"] for line in lines_of(caplog, Event.CALL_REFUSED)]
    assert logged == ([code] if code else [])  # A fault of the database has its own event.


@pytest.mark.anyio
async def test_nothing_but_http_is_touched() -> None:
    seen: list[str] = []

    async def app(scope: AsgiScope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    await ErrorMiddleware(app, ErrorHandler())({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_a_problem_has_the_members_of_rfc_9457(shared: Running) -> None:
    document = problem_in(shared.call(None, "GET", "license", headers={"X-Request-Id": "one"}))
    assert document == {
        "type": "urn:control-core:telemetry:problem:unauthenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Log in, or send a valid service token as a Bearer token.",
        "retryable": False,
        "request_id": "one",
    }

"""What a caller sees of an error, and its problem document (RFC 9457), with a stable type and a sentence.

A page shows the same values in HTML. Neither repeats the text of an exception, which can contain a URL, a host or a
key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Scope

from telemetry_service.domain.errors import (
    AttemptUnderWayError,
    ConfirmationRequiredError,
    IdempotencyKeyInUseError,
    StorageUnavailableError,
    TelemetryError,
    UsageRefusedError,
)
from telemetry_service.identity.throttle import LoginBlockedError, RevealsBlockedError
from telemetry_service.log.context import current_request
from telemetry_service.schemas.configuration import ConsequencesResponse
from telemetry_service.schemas.member_texts import describe_members
from telemetry_service.web.errors import request_errors as requests
from telemetry_service.web.errors.request_errors import FieldError
from telemetry_service.web.errors.statuses import is_retryable, status_of

PROBLEM_TYPE = "urn:control-core:telemetry:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
"""How long a caller should wait for the database or a free connection: often they are back soon."""

_NOTED = "telemetry_problem"

_PASSING = (
    StorageUnavailableError,
    AttemptUnderWayError,
    IdempotencyKeyInUseError,
    requests.OverloadedError,
    requests.ExchangesBusyError,
    requests.ChecksBusyError,
    requests.LoginsBusyError,
)
"""Errors that are likely to be over soon."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as its caller sees it, in any form."""

    error: TelemetryError
    status: HTTPStatus
    fields: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """For a response of any form."""

    @property
    def code(self) -> str:
        """The stable code of the error."""
        return self.error.code

    @property
    def detail(self) -> str:
        """The sentence for people."""
        return self.error.text


class ProblemDocument(BaseModel):
    """An error (RFC 9457). It never repeats the content of the request."""

    model_config = ConfigDict(title="Problem", json_schema_extra=describe_members)

    type: Annotated[str, Field(json_schema_extra={"format": "uri", "examples": [f"{PROBLEM_TYPE}input-invalid"]})]
    title: str
    """The HTTP status phrase."""
    status: int
    detail: str
    """A human-readable sentence."""
    retryable: bool
    """Whether the same request may be accepted later, although no one changes it. If not, set it aside: all of it, or
    the reports that `errors` lists."""
    errors: tuple[FieldError, ...] = ()
    """The invalid fields, parameters, or headers, and what is wrong with each: the first 20. Of usage, those of the
    first 100 reports that are invalid, or that the period has no room for."""
    consequences: ConsequencesResponse | None = None
    """What would be lost, if it is refused because `confirm=true` is missing."""
    request_id: str = ""
    """The ID of the request, as in the response header and the log."""


def problem_of(error: TelemetryError) -> Problem:
    """Return the problem for one of our errors."""
    return Problem(error, status_of(type(error)), _fields(error), _headers(error))


def note_problem(request: Request, problem: Problem) -> None:
    """Note with a request why it was refused, so that it can be counted."""
    setattr(request.state, _NOTED, problem.code)


def noted_problem(scope: Scope) -> str | None:
    """Return the code of the problem in the response to a request; None for any other response."""
    code: str | None = scope.get("state", {}).get(_NOTED)
    return code


def problem_response(problem: Problem) -> Response:
    """Return the problem document."""
    content = _document(problem).model_dump_json(exclude_defaults=True)
    response = Response(content, problem.status, problem.headers, MEDIA_TYPE)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="telemetry"'
    return response


def _document(problem: Problem) -> ProblemDocument:
    request = current_request()
    return ProblemDocument(
        type=PROBLEM_TYPE + problem.code,
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        retryable=is_retryable(type(problem.error)),
        errors=problem.fields,
        consequences=_consequences(problem.error),
        request_id=request.request_id if request else "",
    )


def _consequences(error: TelemetryError) -> ConsequencesResponse | None:
    found = error.consequences if isinstance(error, ConfirmationRequiredError) else None
    return None if found is None else ConsequencesResponse.model_validate(found)


def _fields(error: TelemetryError) -> tuple[FieldError, ...]:
    if isinstance(error, requests.InputRefusedError):
        return error.fields
    if isinstance(error, UsageRefusedError):
        return tuple(
            FieldError(f"reports[{one.place}].{one.field}", one.problem, one.place, one.report_id)
            for one in error.problems[: requests.REPORTS_SHOWN]
        )
    return ()


def says_when_to_repeat(kind: type[TelemetryError]) -> bool:
    """Whether the response to this kind of error has ``Retry-After``."""
    return issubclass(kind, (LoginBlockedError, RevealsBlockedError, *_PASSING))


def _headers(error: TelemetryError) -> dict[str, str]:
    if isinstance(error, LoginBlockedError | RevealsBlockedError):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, _PASSING):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, requests.MethodRefusedError):
        return {"Allow": ", ".join(error.allowed)}
    # It is unclear where the body of a malformed request ends, so nothing after it is read.
    return {"Connection": "close"} if isinstance(error, requests.RequestMalformedError) else {}

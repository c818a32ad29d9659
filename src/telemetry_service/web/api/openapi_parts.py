"""Lets a route describe what the framework cannot see: headers and refusals."""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from telemetry_service.domain import errors
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.web.api.openapi_shape import SCHEMAS
from telemetry_service.web.errors.problem import MEDIA_TYPE, PROBLEM_TYPE, says_when_to_repeat
from telemetry_service.web.errors.request_errors import ExchangesBusyError
from telemetry_service.web.errors.statuses import STATUS, is_retryable, status_of
from telemetry_service.web.security.authorization import Endpoint

_TEXT = {"type": "string"}
_PROBLEM = {"schema": {"$ref": f"{SCHEMAS}Problem"}}
_REFUSALS = "telemetry_refusals"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Error (RFC 9457)", "content": {MEDIA_TYPE: _PROBLEM}}
}
"""The response of every call that is refused."""

UNABLE_TO_SEND = (
    errors.TelemetryDisabledError,
    errors.NotConfiguredError,
    errors.KeyUnusableError,
    ExchangesBusyError,
)
"""The refusals of every call that makes an exchange with the License Server."""

UNSURE_WHAT_MAY_LEAVE = (errors.RestoredError, errors.SettingsChangedError, errors.NotVerifiedYetError)
"""The refusals of every call that lets a payload leave."""


def refused_with(*kinds: type[TelemetryError]) -> Callable[[Endpoint], Endpoint]:
    """Declare the refusals that are specific to a route; ``openapi.py`` adds those that follow from its kind."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _REFUSALS, kinds)
        return endpoint

    return declare


def refusals_of(endpoint: object) -> tuple[type[TelemetryError], ...]:
    """Return the refusals that a route declares."""
    kinds: tuple[type[TelemetryError], ...] = getattr(endpoint, _REFUSALS, ())
    return kinds


def header(name: str, description: str, example: str, pattern: str, *, required: bool = False) -> dict[str, Any]:
    """Return the description of a request's header, whose value matches ``pattern``."""
    described = {"description": description, "schema": {**_TEXT, "pattern": pattern}, "example": example}
    return {"name": name, "in": "header", "required": required, **described}


def response_header(name: str, description: str) -> dict[str, Any]:
    """Return the description of a response's header."""
    return {name: {"description": description, "schema": _TEXT}}


LINK = response_header("Link", 'The next page, as `<...>; rel="next"`; missing on the last one.')


def refusals(kinds: Iterable[type[TelemetryError]]) -> dict[str, dict[str, Any]]:
    """Return the responses for these kinds of errors, by status."""
    by_status: dict[HTTPStatus, list[type[TelemetryError]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(kind)
    return {str(status.value): _refusal(status, of_status) for status, of_status in by_status.items()}


def _refusal(status: HTTPStatus, kinds: list[type[TelemetryError]]) -> dict[str, Any]:
    """Return the response for one status, each code with its sentence and an example."""
    examples = {
        kind.code: {"value": {"type": PROBLEM_TYPE + kind.code, "detail": kind.sentence, **_common(kind)}}
        for kind in kinds
    }
    response: dict[str, Any] = {
        "description": "\n".join(f"- `{kind.code}`: {kind.sentence}" for kind in kinds),
        "content": {MEDIA_TYPE: {**_PROBLEM, "examples": examples}},
    }
    if any(map(says_when_to_repeat, kinds)) or status is HTTPStatus.TOO_MANY_REQUESTS:
        response["headers"] = response_header("Retry-After", "Seconds.")
    return response


def _common(kind: type[TelemetryError]) -> dict[str, Any]:
    status = status_of(kind)
    return {"title": status.phrase, "status": status.value, "retryable": is_retryable(kind)}


def types_of_problems() -> str:
    """Return the description of a problem's type: every code with its status and its sentence."""
    kinds: set[type[TelemetryError]] = {*_each_kind(STATUS), TelemetryError}
    codes = sorted(f"- `{kind.code}` ({status_of(kind).value}): {kind.sentence}" for kind in kinds)
    return f"Stable: `{PROBLEM_TYPE}` plus a code. New codes may be added:\n" + "\n".join(codes)


def _each_kind(kinds: Iterable[type[TelemetryError]]) -> Iterator[type[TelemetryError]]:
    """Yield the kinds with their own code, and their subclasses."""
    for kind in kinds:
        yield from _each_kind(kind.__subclasses__())
        if "code" in vars(kind):
            yield kind

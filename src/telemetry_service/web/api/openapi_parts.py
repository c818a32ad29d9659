"""How a route describes what the framework cannot see: headers, and refusals."""

from collections.abc import Iterable, Iterator
from typing import Any

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.web.errors.problem import MEDIA_TYPE, PROBLEM_TYPE
from telemetry_service.web.errors.statuses import STATUS, status_of

SCHEMAS = "#/components/schemas/"
REFUSED_WITH = "x-refused-with"
"""Where a route names the codes that are its own; ``openapi.py`` makes responses of them."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Error (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
}
"""The response of every call that is refused."""


def refused_with(*kinds: type[TelemetryError]) -> dict[str, Any]:
    """Return the description of the refusals that are a route's own."""
    return {REFUSED_WITH: [kind.code for kind in kinds]}


def header(name: str, description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    """Return the description of a request's header."""
    schema = {"type": "string"}
    return {
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": required,
                "description": description,
                "schema": schema,
                "example": example,
            }
        ]
    }


def headers(*described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of several headers of one request."""
    return {"parameters": [parameter for one in described for parameter in one["parameters"]]}


def response_header(name: str, description: str) -> dict[str, Any]:
    """Return the description of a response's header."""
    return {name: {"description": description, "schema": {"type": "string"}}}


def refusals(kinds: Iterable[type[TelemetryError]]) -> dict[str, dict[str, Any]]:
    """Return the responses that refuse with these kinds of errors, by status, each code with its sentence."""
    responses: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        status = status_of(kind)
        response = responses.setdefault(str(status.value), {"description": "", "examples": {}})
        response["description"] += f"- `{kind.code}`: {kind.sentence}\n"
        response["examples"][kind.code] = {
            "value": {
                "type": PROBLEM_TYPE + kind.code,
                "title": status.phrase,
                "status": status.value,
                "detail": kind.sentence,
            }
        }
    return {status: _response(**response) for status, response in responses.items()}


def _response(description: str, examples: dict[str, Any]) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}, "examples": examples}}
    return {"description": description.rstrip(), "content": content}


def problem_schema() -> dict[str, Any]:
    """Return the schema of a problem document, with every type that there is."""
    kinds: dict[str, type[TelemetryError]] = {**kinds_by_code(), TelemetryError.code: TelemetryError}
    codes = "\n".join(f"- `{code}` ({status_of(kind).value}): {kind.sentence}" for code, kind in sorted(kinds.items()))
    text = {"type": "string"}
    fault = {"type": "object", "required": ["field", "problem"], "properties": {"field": text, "problem": text}}
    return {
        "title": "Problem",
        "description": "An error (RFC 9457). It never repeats the content of the request.",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "description": f"Stable: `{PROBLEM_TYPE}` plus a code. New codes may be added:\n{codes}",
                "examples": [f"{PROBLEM_TYPE}input-invalid"],
            },
            "title": text | {"description": "The HTTP status phrase."},
            "status": {"type": "integer"},
            "detail": text | {"description": "A human-readable sentence."},
            "errors": {
                "type": "array",
                "description": (
                    "The invalid fields, parameters, or headers, and what is wrong with each: the first 20, or the"
                    " first 100 reports for which the period has no room."
                ),
                "items": fault,
            },
        },
    }


def kinds_by_code() -> dict[str, type[TelemetryError]]:
    """Return every kind of refusal that has a code of its own."""
    return {kind.code: kind for kind in _each_kind(STATUS)}


def _each_kind(kinds: Iterable[type[TelemetryError]]) -> Iterator[type[TelemetryError]]:
    """Yield the kinds that have a code of their own, and those below them."""
    for kind in kinds:
        yield from _each_kind(kind.__subclasses__())
        if "code" in vars(kind):
            yield kind

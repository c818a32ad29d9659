"""The description of the API (OpenAPI 3.1): the framework's, with more for the authors of clients."""

import json
from collections.abc import Iterable
from copy import deepcopy
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from telemetry_service.domain import errors
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.identity.scopes import SESSION_SCOPES
from telemetry_service.log.context import REQUEST_ID_HEADER
from telemetry_service.web.api.openapi_parts import refusals, refusals_of, response_header, types_of_problems
from telemetry_service.web.api.openapi_shape import SCHEMAS, shape
from telemetry_service.web.api.unread import refuse_unread_parameters
from telemetry_service.web.errors import request_errors as web
from telemetry_service.web.errors.problem import ProblemDocument
from telemetry_service.web.http.body import Body
from telemetry_service.web.security.authorization import Rule, rule_of
from telemetry_service.web.security.csrf import HEADER

_TOKEN, _SESSION = "serviceToken", "browserSession"
_SCHEMES = {
    _TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "A service token (`telemetry-service token create` or `POST /api/v1/tokens`). Its scopes are report, read,"
            " and admin."
        ),
    },
    _SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": "telemetry_session",
        "description": (
            "The administrator's browser session, opened at `/login`. Over TLS, the cookie name begins with"
            " `__Host-`, or with `__Secure-` below a path. A request that changes something also needs the session's"
            f" token in `{HEADER}`."
        ),
    },
}
_TAGS = [
    {"name": "facts", "description": "Data that other services report. Scope `report`."},
    {"name": "configuration", "description": "The administrator's settings."},
    {"name": "insight", "description": "The preview and the health."},
    {"name": "transmissions", "description": "Sending and history. A transmission keeps the same ID permanently."},
    {"name": "ledger", "description": "The signed list of what was done and what was sent, and its verification."},
    {"name": "bundles", "description": "Files that a person takes to the License Server, and their receipts."},
    {"name": "tokens", "description": "The credentials of other services. Scope `admin`."},
    {"name": "sessions", "description": "Where the caller is logged in. Only for browser sessions."},
    {"name": "operations", "description": "For operators."},
]

_ROOT = [{"url": "/"}]
_OF_EACH = (web.RequestMalformedError, errors.StorageUnavailableError, web.OverloadedError, TelemetryError)
_OF_PUBLIC = (web.RequestMalformedError, web.HostRefusedError)
_OF_GUARDED = (
    errors.AccessDeniedError,
    errors.TokenExpiredError,
    errors.ScopeMissingError,
    errors.RoleMissingError,
)
_OF_CHANGES = (errors.RequestForgeryError, errors.StorageFullError)
_OF_BODIES = (web.BodyMalformedError, web.BodyTooLargeError, web.MediaTypeRefusedError, web.InputRefusedError)


class Description:
    """The served description: built once, at the first call, and the same bytes for everyone."""

    def __init__(self) -> None:
        self._built = b""
        self._lock = Lock()

    async def of(self, app: FastAPI, prefix: str = "") -> bytes:
        """Return the description of the application's API as JSON, whose server is below ``prefix``."""
        built = self._built or await run_in_threadpool(self._build, app)
        return built.replace(_written(_ROOT), _written([{"url": prefix}]), 1) if prefix else built

    def _build(self, app: FastAPI) -> bytes:
        with self._lock:
            built = self._built or _written(describe(app))
            self._built = built
            return built


def _written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of the application's API."""
    description: dict[str, Any] = deepcopy(app.openapi())
    schemas = description["components"]["schemas"]
    _add_schema(TypeAdapter(ProblemDocument), schemas)["properties"]["type"]["description"] = types_of_problems()
    description["components"]["securitySchemes"] = _SCHEMES
    description["tags"] = _TAGS
    description["servers"] = _ROOT
    for route in iter_route_contexts(app.routes):
        rule = rule_of(route.endpoint)
        for method in map(str.lower, route.methods or ()):
            call = description["paths"].get(route.path_format, {}).get(method)
            if call is not None and rule is not None:
                _complete(call, method, rule, (*_of_query(route), *refusals_of(route.endpoint)))
                _describe_body(call, route, schemas)
    shape(description)
    _add_request_ids(description)
    return description


def _add_request_ids(description: dict[str, Any]) -> None:
    """Add the header that every response has."""
    described = response_header(REQUEST_ID_HEADER, "The ID of the request: the caller's own, or a new one.")
    description["components"]["headers"] = {"RequestId": described[REQUEST_ID_HEADER]}
    for path in description["paths"].values():
        for call in path.values():
            for response in call["responses"].values():
                response.setdefault("headers", {})[REQUEST_ID_HEADER] = {"$ref": "#/components/headers/RequestId"}


def _complete(call: dict[str, Any], method: str, rule: Rule, own_refusals: Iterable[type[TelemetryError]]) -> None:
    """Add to one call who may make it, a summary, and its refusals."""
    call["summary"] = call["description"].partition(". ")[0].partition(".\n")[0].rstrip(".")
    call["security"] = _security(rule)
    kinds = dict.fromkeys((*_kinds_of(method, rule), *own_refusals))
    call["responses"] = refusals(kinds) | call["responses"]


def _kinds_of(method: str, rule: Rule) -> tuple[type[TelemetryError], ...]:
    """Return the refusals that follow from the kind of call."""
    if rule.public:
        return _OF_PUBLIC
    if method != "get":
        return (*_OF_EACH, *_OF_GUARDED, *_OF_CHANGES, *_OF_BODIES)
    return (*_OF_EACH, *_OF_GUARDED)


def _of_query(route: RouteContext) -> tuple[type[TelemetryError], ...]:
    """Return what a call raises that refuses the parameters it does not have."""
    called = {one.call for one in route.dependant.dependencies}
    return (web.InputRefusedError,) if refuse_unread_parameters in called else ()


def _describe_body(call: dict[str, Any], route: RouteContext, schemas: dict[str, Any]) -> None:
    """Describe the body of a call, if it takes one."""
    body = next((one.call for one in route.dependant.dependencies if isinstance(one.call, Body)), None)
    if body is not None:
        named = _add_schema(body.adapter, schemas)
        if not body.required:
            named.pop("required", None)  # An empty object stands for no body.
        schema = {"$ref": SCHEMAS + named["title"]}
        content = {body.media_type: {"schema": schema, "example": body.example}}
        call["requestBody"] = {"required": body.required, "content": content}


def _add_schema(adapter: TypeAdapter[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Add a schema, and those that it refers to, to the named schemas, and return it."""
    schema = adapter.json_schema(ref_template=f"{SCHEMAS}{{model}}")
    for name, definition in {**schema.pop("$defs", {}), schema["title"]: schema}.items():
        # Paragraphs after the first are for developers, not for clients.
        definition["description"] = definition.get("description", name).partition("\n\n")[0].replace("``", "`")
        for member in definition.get("properties", {}).values():
            # Some generators let a client always send a member that has a default.
            default = member.pop("default", None)
            if default is not None:
                member["description"] = f"{member.get('description', '')} `{json.dumps(default)}` if omitted.".strip()
        schemas.setdefault(name, definition)
    return schema


def _security(rule: Rule) -> list[dict[str, list[str]]]:
    """Return the alternatives that admit a caller; none if anyone may call."""
    if rule.people:
        return [{_SESSION: []}]
    tokens: list[dict[str, list[str]]] = [{_TOKEN: [scope.value]} for scope in sorted(rule.scopes)]
    return [*tokens, {_SESSION: []}] if rule.scopes & SESSION_SCOPES else tokens

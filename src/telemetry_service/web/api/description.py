"""The description of the API (OpenAPI 3.1): the framework's, with who may make which call."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from telemetry_service.web.gate import Rule, rule_of

_SCHEME = "serviceToken"
_SCHEMES = {
    _SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "A service token (`telemetry-service token create`). Its scopes are report, read, admin.",
    }
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of the application's API."""
    description: dict[str, Any] = app.openapi()
    description.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for route in iter_route_contexts(app.routes):
        calls = description["paths"].get(route.path, {})
        rule = rule_of(route.endpoint)
        for method in route.methods or ():
            if rule is not None and method.lower() in calls:
                calls[method.lower()]["security"] = _security(rule)
    return description


def _security(rule: Rule) -> list[dict[str, list[str]]]:
    """Return the alternatives, any of which lets a caller in; none where anybody may call."""
    return [{_SCHEME: [scope.value]} for scope in sorted(rule.scopes)]

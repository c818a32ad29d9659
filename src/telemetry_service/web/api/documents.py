"""How the API's description names bodies, which are read by ``body.py`` and not by the framework."""

from typing import Any

from pydantic import TypeAdapter

from telemetry_service.web.problems import MEDIA_TYPE

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Refused (RFC 9457)", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
}
"""The answer of every call that is refused."""


def json_body(model: Any, *, required: bool = True) -> dict[str, Any]:  # noqa: ANN401 - any type of pydantic's
    """Return the description of a JSON body."""
    schema = TypeAdapter(model).json_schema()
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": _inlined(schema)}}}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are used: references would be looked up in the whole document."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            return resolve(definitions[name]) if name else {key: resolve(value) for key, value in node.items()}
        return [resolve(entry) for entry in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(schema)
    return resolved

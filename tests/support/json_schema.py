"""JSON Schema as its reference library for Python reads it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def validator(schema: dict[str, Any]) -> "Draft202012Validator":
    """Return a schema's validator, after a look at the schema itself."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - it reads grammars for a second: not in every worker

    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)

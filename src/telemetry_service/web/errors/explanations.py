"""Explains validation errors in our own words, without any of the input.

Pydantic's messages and contexts can contain the refused value, so only its error type, the location, and the limits in
our own models are used.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from telemetry_service.web.errors.request_errors import BODY, FieldError

_FIELD_NAME = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
"""The form of a field's name, ours or a mistyped one. A secret in place of a name does not match."""

_MOMENT = "must be an RFC 3339 time with a time zone, such as 2026-11-15T02:00:00Z"

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "api_key_repeated": "must not be a placeholder that repeats a few characters",
    "string_type": "must be a string",
    "value_error": _MOMENT,
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}
"""By Pydantic's type of error."""

_OF_TYPE = {
    "bool": "must be true or false",
    "int": "must be a whole number",
    "uuid": "must be a UUID",
    "datetime": _MOMENT,
    "timezone": _MOMENT,
    "date": "must be a date such as 2026-11-15",
    "list": "must be an array",
    "dict": "must be an object",
    "model": "must be an object",
}
"""By its first word, which is the expected type: ``int_parsing``, ``date_from_datetime_inexact``."""


def explain(errors: Iterable[Mapping[str, Any]]) -> Iterable[FieldError]:
    """Return a field error for each of Pydantic's errors, whose location is relative to the body or the parameters."""
    return (FieldError(name_of(error["loc"]), sentence_of(error)) for error in errors)


def name_of(path: Iterable[str | int]) -> str:
    """Write a path as ``reports[3].audit_events``; a name that does not look like a field's is not repeated."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += ("." if name else "") + (step if _FIELD_NAME.fullmatch(step) else "(unnamed)")
    return name or BODY


def sentence_of(error: Mapping[str, Any]) -> str:
    """Return what is wrong, in our own words."""
    kind: str = error["type"]
    sentence = _SENTENCES.get(kind) or _OF_TYPE.get(kind.partition("_")[0], "is not valid")
    return sentence.format(**error.get("ctx", {}))

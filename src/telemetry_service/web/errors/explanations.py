"""Says in words of our own what a validation found. Nothing of the input is in them.

Pydantic's messages and contexts can hold the value that was refused; only its type of error, the
place, and the bounds that stand in our own models are used.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from telemetry_service.web.errors.request_errors import BODY, FieldError

_FIELD_NAME = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
"""What a field's name looks like, ours or a mistyped one. A secret in the place of a name does not."""

_MOMENT = "must be an RFC 3339 time with a time zone, such as 2026-11-15T02:00:00Z"
_UUID = "must be a UUID"
_DATE = "must be a date such as 2026-11-15"
_WHOLE = "must be a whole number"

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "api_key_repeated": "must not be a placeholder that repeats a few characters",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "string_type": "must be a string",
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "datetime_type": _MOMENT,
    "timezone_aware": _MOMENT,
    "value_error": _MOMENT,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_BOUNDED = {
    "greater_than_equal": ("must be at least {ge}", "ge"),
    "less_than_equal": ("must be at most {le}", "le"),
    "string_pattern_mismatch": ("must match {pattern}", "pattern"),
    "literal_error": ("must be one of {expected}", "expected"),
    "enum": ("must be one of {expected}", "expected"),
    "too_short": ("must have at least {min_length} entries", "min_length"),
    "too_long": ("must have at most {max_length} entries", "max_length"),
    "string_too_short": ("must have at least {min_length} characters", "min_length"),
    "string_too_long": ("must have at most {max_length} characters", "max_length"),
}


def explain(errors: Iterable[Mapping[str, Any]]) -> Iterable[FieldError]:
    """Return a field error for each error of pydantic, whose location begins below the body or the parameters."""
    return (FieldError(name_of(error["loc"]), _sentence(error)) for error in errors)


def name_of(path: Iterable[str | int]) -> str:
    """Write a path as ``reports[3].audit_events``; a name that looks like none of a field is not repeated."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += ("." if name else "") + (step if _FIELD_NAME.fullmatch(step) else "(unnamed)")
    return name or BODY


def _sentence(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _BOUNDED:
        sentence, bound = _BOUNDED[kind]
        return sentence.format(**{bound: error["ctx"][bound]})
    return _SENTENCES.get(kind, "is not valid")

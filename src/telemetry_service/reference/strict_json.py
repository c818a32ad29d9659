"""JSON read the strict way: no member twice, no NaN, and only in its one canonical form."""

import json
from typing import Any

import rfc8785

from telemetry_service.reference.refusals import Reason, RefusalError


def parse(text: bytes) -> Any:  # noqa: ANN401 - it is whatever the JSON says
    """Return the value of a JSON text.

    Raises:
        RefusalError: it is no JSON in UTF-8, or an object names a member twice.
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RefusalError(Reason.JSON_MALFORMED) from None


def require_canonical(text: bytes) -> None:
    """Refuse a JSON text that is not byte for byte its own RFC 8785 form.

    One value then has one text, so that its digest says which value it was.

    Raises:
        RefusalError: it is no JSON, or not canonical.
    """
    value = parse(text)
    try:
        canonical = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError):
        raise RefusalError(Reason.JSON_NOT_CANONICAL) from None
    if canonical != text:
        raise RefusalError(Reason.JSON_NOT_CANONICAL)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(_name: str) -> None:
    raise ValueError

"""Reads JSON strictly: no duplicate members, no NaN, and only in canonical form."""

import json
from typing import Any

import rfc8785

from telemetry_service.reference.refusals import Reason, RefusalError


def parse(text: bytes) -> Any:  # noqa: ANN401 - it is whatever the JSON says
    """Return the value of a JSON text.

    Raises:
        RefusalError: it is not JSON in UTF-8, or an object has a duplicate member.
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RefusalError(Reason.JSON_MALFORMED) from None


def require_canonical(text: bytes) -> None:
    """Refuse a JSON text that is not exactly its RFC 8785 form.

    Each value then has one text, so its digest identifies it.

    Raises:
        RefusalError: it is not JSON, or not canonical.
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

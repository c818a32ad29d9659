"""Canonical JSON (RFC 8785): each value has exactly one form, so that bytes can be compared and signed."""

from collections.abc import Mapping
from typing import cast

import rfc8785
from pydantic import JsonValue


def canonical_json(value: Mapping[str, JsonValue]) -> bytes:
    """Return ``value`` as canonical JSON in UTF-8.

    Raises:
        ValueError: the value contains something that canonical JSON cannot represent exactly (NaN, an infinity, an
            integer beyond 2^53 - 1, a lone surrogate). The message does not contain the value.
    """
    try:
        return rfc8785.dumps(cast("dict[str, str]", value))
    except rfc8785.CanonicalizationError:
        pass
    # Raised outside of the block above, so that the library's own text, which quotes the value, is not its context.
    msg = "this value has no canonical JSON form"
    raise ValueError(msg)

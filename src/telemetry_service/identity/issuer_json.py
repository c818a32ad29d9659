"""Reads the documents of an issuer."""

import json
from typing import Any


def object_in(content: bytes) -> dict[str, Any]:
    """Return the JSON object that an issuer sent.

    Raises:
        ValueError: it is none, or it is nested too deeply to be one of use.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        document = None
    if not isinstance(document, dict):
        msg = "not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - a wrong document, as json.loads reports it
    return document

"""Reads a stored payload of whatever version made it: no page fails because of what a row contains."""

import json
from typing import Any


def read_stored(content: bytes | None) -> dict[str, Any] | None:
    """Return a stored payload as an object; None if it is gone or cannot be read."""
    try:
        document = None if content is None else json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None

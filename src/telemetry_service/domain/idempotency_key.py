"""The Idempotency-Key of *Send Now*, which the caller chooses: the same key means the same transmission."""

import hashlib
import re

from telemetry_service.domain.actor import Actor

IDEMPOTENCY_KEY_FORM = "1 to 200 visible ASCII characters"
"""The form of a key, for messages and the OpenAPI description."""

IDEMPOTENCY_KEY_PATTERN = r"^[\x21-\x7e]{1,200}$"


def is_idempotency_key(text: str) -> bool:
    """Whether a text can be an Idempotency-Key."""
    return re.fullmatch(IDEMPOTENCY_KEY_PATTERN, text) is not None


def request_key_of(actor: Actor, idempotency_key: str) -> str:
    """Return what is stored for a key: a digest with the caller, because one key from two callers is two requests."""
    return hashlib.sha256(f"{actor.label}\0{idempotency_key}".encode()).hexdigest()

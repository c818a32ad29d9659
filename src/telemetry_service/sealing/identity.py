"""The key ID and the customer's pseudonym, which identify both without revealing them."""

import hashlib
import hmac

from telemetry_service.sealing.derivation import derive_key

_KEY_ID_PREFIX = b"control-core-telemetry/key-id/v1\0"
_KEY_ID_DIGITS = 16
_PSEUDONYM_KEY = "control-core-telemetry/pseudonym/v1"


def key_id(api_key: str) -> str:
    """Return 16 hex digits that identify an API key and reveal nothing else about it."""
    return hashlib.sha256(_KEY_ID_PREFIX + api_key.encode()).hexdigest()[:_KEY_ID_DIGITS]


def pseudonym(api_key: str, customer_id: str) -> str:
    """Return ``anon_`` and 64 hex digits, which only someone who knows key and customer can compute."""
    return "anon_" + hmac.digest(derive_key(api_key.encode(), _PSEUDONYM_KEY), customer_id.encode(), "sha256").hex()

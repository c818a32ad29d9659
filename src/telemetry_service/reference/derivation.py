"""What the protocol derives from an API key: its ID, its content key, and a customer's pseudonym."""

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_ID_PREFIX = b"control-core-telemetry/key-id/v1\0"
_JWE_INFO = b"control-core-telemetry/jwe/v1"
_PSEUDONYM_INFO = b"control-core-telemetry/pseudonym/v1"


def key_id(api_key: str) -> str:
    """Return the 16 hex digits that identify an API key without revealing it."""
    return hashlib.sha256(_KEY_ID_PREFIX + api_key.encode()).hexdigest()[:16]


def content_key(api_key: str) -> bytes:
    """Return the 32 bytes under which this API key's payloads are encrypted."""
    return _derive(api_key, _JWE_INFO)


def pseudonym(api_key: str, customer_id: str) -> str:
    """Return how this API key's holder names ``customer_id`` when it is anonymized."""
    digest = hmac.new(_derive(api_key, _PSEUDONYM_INFO), customer_id.encode(), hashlib.sha256)
    return "anon_" + digest.hexdigest()


def _derive(api_key: str, info: bytes) -> bytes:
    # RFC 5869: no salt and an empty one are the same, because HMAC fills its key with zeros.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(api_key.encode())

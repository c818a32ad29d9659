"""Keys derived from other keys: each purpose has its own, so that no two uses share a key."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
"""Length of every symmetric key here: AES-256 and HMAC-SHA256."""


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) with an empty salt and ``purpose`` as its info."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)

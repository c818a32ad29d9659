"""The encrypted body: JWE compact serialization (RFC 7516), ``dir`` with ``A256GCM``."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.sealing.derivation import derive_key
from telemetry_service.sealing.identity import key_id

IV_BYTES = 12
"""The only length that A256GCM allows (RFC 7518 section 5.3)."""

_TAG_BYTES = 16
_CONTENT_KEY = "control-core-telemetry/jwe/v1"


def encrypt(plaintext: bytes, api_key: str, iv: bytes) -> bytes:
    """Encrypt under the content key derived from the API key.

    ``iv`` (12 bytes) must never be used for two different plaintexts under one API key.
    """
    if len(iv) != IV_BYTES:
        msg = f"the IV of A256GCM has {IV_BYTES} bytes"
        raise ValueError(msg)
    # Written by hand rather than by a serializer: exactly these bytes are authenticated, in this order.
    header = b'{"alg":"dir","enc":"A256GCM","kid":"%b","cty":"json"}' % key_id(api_key).encode()
    protected = to_base64url(header)
    sealed = AESGCM(derive_key(api_key.encode(), _CONTENT_KEY)).encrypt(iv, plaintext, protected)
    no_encrypted_key = b""  # ``dir``: both sides derive the content key, so none is sent.
    parts = (iv, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:])
    return b".".join([protected, no_encrypted_key, *map(to_base64url, parts)])

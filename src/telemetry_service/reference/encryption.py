"""Opens only the JWE compact serialization (RFC 7516) that the protocol allows."""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry_service.reference import strict_json
from telemetry_service.reference.derivation import content_key
from telemetry_service.reference.refusals import Reason, RefusalError

_PARTS = 5
_IV_BYTES = 12
_TAG_BYTES = 16


def open_jwe(body: bytes, api_key: str, key_id: str) -> bytes:
    """Return the plaintext of ``body``, encrypted directly under the content key of ``api_key``.

    Raises:
        RefusalError: the form, the header or the tag is not exactly right. It does not say which.
    """
    parts = body.split(b".")
    if len(parts) != _PARTS:
        raise RefusalError(Reason.ENCRYPTION_INVALID)
    header, encrypted_key, iv, ciphertext, tag = (_decode(part) for part in parts)
    _check_header(header, key_id)
    if encrypted_key or len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
        raise RefusalError(Reason.ENCRYPTION_INVALID)
    try:
        return AESGCM(content_key(api_key)).decrypt(iv, ciphertext + tag, parts[0])
    except InvalidTag:
        raise RefusalError(Reason.ENCRYPTION_INVALID) from None


def _check_header(header: bytes, key_id: str) -> None:
    """Accept exactly the four members of the protocol, in any order."""
    try:
        stated = strict_json.parse(header)
    except RefusalError:
        raise RefusalError(Reason.ENCRYPTION_INVALID) from None
    if stated != {"alg": "dir", "enc": "A256GCM", "kid": key_id, "cty": "json"}:
        raise RefusalError(Reason.ENCRYPTION_INVALID)


def _decode(part: bytes) -> bytes:
    """Decode base64url without padding, and only if encoding it again gives the same text."""
    try:
        decoded = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusalError(Reason.ENCRYPTION_INVALID) from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise RefusalError(Reason.ENCRYPTION_INVALID)
    return decoded

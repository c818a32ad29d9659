"""URL-safe base64 as JOSE writes it (RFC 7515 section 2), read strictly: each value has exactly one text."""

import base64
import binascii


def to_base64url(raw: bytes) -> bytes:
    """Return URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def from_base64url(text: str) -> bytes:
    """Return the bytes of an unpadded text.

    Raises:
        ValueError: the text is not exactly what ``to_base64url`` writes. The message does not quote it.
    """
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = None
    if raw is None or to_base64url(raw) != text.encode("ascii"):
        msg = "not URL-safe base64"
        raise ValueError(msg)
    return raw

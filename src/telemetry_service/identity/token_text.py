"""The text of a service token: ``cct_<token id>_<secret><checksum>``, so that scanners for secrets recognize it.

The checksum is the CRC-32 of everything before it, in base 62, as in GitHub's tokens: a scanner can tell a token from a
text that only looks like one. Tokens of earlier versions have no checksum; they stay valid.
"""

import re
import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 43, 6
"""A secret has 256 bits."""

TOKEN_PATTERN = r"cct_[a-z2-7]{12}_[0-9A-Za-z]{49}"  # noqa: S105 - a pattern
"""What a scanner for secrets looks for."""

_TOKEN = re.compile(r"(cct_([a-z2-7]{12})_([0-9A-Za-z]{43}))([0-9A-Za-z]{6})", re.ASCII)
_EARLIER = re.compile(r"cct_([a-z2-7]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


def new_id() -> str:
    """Return the ID of a new token."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def new_secret() -> str:
    """Return the secret of a new token."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def written(token_id: str, secret: str) -> str:
    """Return the text of a token."""
    text = f"cct_{token_id}_{secret}"
    return text + _checksum(text)


def read(token: str) -> tuple[str, str] | None:
    """Return the ID and the secret in the text of a token, or None if it is not one."""
    match = _TOKEN.fullmatch(token)
    if match is not None:
        return (match[2], match[3]) if match[4] == _checksum(match[1]) else None
    earlier = _EARLIER.fullmatch(token)
    return None if earlier is None else (earlier[1], earlier[2])


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits

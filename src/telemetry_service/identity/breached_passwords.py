"""Passwords that have become public in breaches, as a Bloom filter: nothing leaves the process to look one up.

It holds those of 12 characters or more. Of the other passwords, one in three hundred is taken for one of them.
"""

import hashlib
from pathlib import Path

FILTER = Path(__file__).parent / "breached-passwords.bloom"

_POSITION_BYTES = 4


def is_breached(text: str) -> bool:
    """Whether a password, in lower case, is in the list, or seems to be."""
    with FILTER.open("rb") as file:
        bits = FILTER.stat().st_size * 8
        for position in positions_of(text, bits):
            file.seek(position // 8)
            if not file.read(1)[0] >> position % 8 & 1:
                return False
    return True


def positions_of(text: str, bits: int) -> tuple[int, ...]:
    """Return which bits of a filter stand for a text."""
    digest = hashlib.sha256(text.encode()).digest()
    parts = (digest[at : at + _POSITION_BYTES] for at in range(0, len(digest), _POSITION_BYTES))
    return tuple(int.from_bytes(part, "big") % bits for part in parts)

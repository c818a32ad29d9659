"""The digest of a secret that is not stored itself, with the key that it was made under."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class KeyedDigest:
    """A digest, and the ID of its key. Under another key it can only be made from the secret."""

    digest: bytes
    key_id: bytes


class KeyAge(StrEnum):
    """Where in its list the key of a digest is."""

    NEWEST = "newest"
    OLDER = "older"
    LOST = "lost"
    """Not in the list, so that no secret matches the digest."""


def key_age(key_id: bytes | None, key_ids: Sequence[bytes]) -> KeyAge:
    """Return it for a list of keys, newest first. An older version did not say which it used: it may be any of them."""
    newest, *older = key_ids
    if key_id in {newest, None if not older else newest}:
        return KeyAge.NEWEST
    return KeyAge.OLDER if key_id is None or key_id in older else KeyAge.LOST


DigestCounts = Mapping[bytes | None, int]
"""How many digests there are under each key, by its ID; None are those that an older version made."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many digests depend on which keys of a list."""

    newest: int
    older: Mapping[str, int]
    """By what they are of; an older key must stay in the list for them."""
    lost: int
    """Under a key that is not in the list."""


def key_use(counts: Mapping[str, DigestCounts], key_ids: Sequence[bytes]) -> KeyUse:
    """Return what depends on which of the keys, newest first; ``counts`` are by what the digests are of.

    An older version did not say which key it used: that may be any of the list.
    """
    newest, *older = key_ids
    return KeyUse(
        newest=sum(found.get(newest, 0) + (0 if older else found.get(None, 0)) for found in counts.values()),
        older={
            name: number
            for name, found in counts.items()
            if (number := sum(found.get(key_id, 0) for key_id in (*older, *([None] if older else ()))))
        },
        lost=sum(
            number for found in counts.values() for key_id, number in found.items() if key_id not in {*key_ids, None}
        ),
    )

"""The digest of a secret that is not stored itself, with the key that it was made under."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyedDigest:
    """A digest, and the ID of its key. Under another key it can only be made from the secret."""

    digest: bytes
    key_id: bytes


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

"""Secrets at rest: sealed, or stored only as a keyed digest, under keys that can be rotated.

The newest key seals, and any listed key opens. So a new key is put first, and the old one is removed once nothing
sealed under it is left. The deployment's keys themselves encrypt nothing: each use has its own derived key.

Sealed form: ``version (1) | key ID (8) | nonce (12) | ciphertext and tag``. The first two fields, the installation and
the purpose, which names the row, are authenticated as well: copied into another row, or into another database, a value
cannot be opened. Version 1, of the first release, did not have the installation; it is still opened.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.keyed_digest import KeyedDigest
from telemetry_service.sealing.derivation import KEY_BYTES, derive_key

UNBOUND, BOUND = b"\x01", b"\x02"
_ID_BYTES = 8
_NONCE_BYTES = 12
_HEAD_BYTES = len(BOUND) + _ID_BYTES
_ID_PREFIX = b"control-core-telemetry/key-ring-id/v1\0"
_SEAL_KEY = "control-core-telemetry/key-ring/seal/v1"
_DIGEST_KEY = "control-core-telemetry/key-ring/digest/v1"


def generate_key() -> str:
    """Return a new key in the form of the settings: 32 random bytes in URL-safe base64."""
    return to_base64url(secrets.token_bytes(KEY_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs. It can be opened nowhere else."""

    purpose: str
    """What it is, and which row it is in, if its table has several."""
    installation: UUID


class KeyRing:
    """The keys of one purpose of the deployment, newest first."""

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """Take the keys, newest first.

        Raises:
            ValueError: there is none, or one is not 32 bytes long.
        """
        self.replace(keys)

    def replace(self, keys: tuple[bytes, ...]) -> None:
        """Use other keys from now on. Whatever reads the keys twice may see the former ones first.

        Raises:
            ValueError: there is none, or one is not 32 bytes long.
        """
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            msg = f"a key ring needs at least one key, of {KEY_BYTES} bytes each"
            raise ValueError(msg)
        self._keys = keys

    @property
    def ids(self) -> tuple[bytes, ...]:
        """Public names of the keys, newest first."""
        return tuple(map(_ring_id, self._keys))

    @property
    def newest_head(self) -> bytes:
        """The first bytes of whatever this version seals under the newest key."""
        return BOUND + self.ids[0]

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """Encrypt under the newest key. Only ``open`` for the same ``place`` returns the plaintext."""
        return _seal(self._keys[0], plaintext, place)

    def open(self, sealed: bytes, place: Place) -> bytes:
        """Decrypt what any of the keys sealed.

        Raises:
            KeyUnusableError: none of the keys sealed it, it was changed, or it belongs to a different place.
        """
        return self._open(sealed, place)[1]

    def bind(self, sealed: bytes, place: Place) -> bytes:
        """Seal again, for its place, what an older version sealed, under the same key.

        A replica that does not have the newest key yet can still open it.

        Raises:
            KeyUnusableError: as for ``open``.
        """
        return _seal(*self._open(sealed, place), place)

    def _open(self, sealed: bytes, place: Place) -> tuple[bytes, bytes]:
        """Return the key that opens it, and the plaintext."""
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        bound = _bound(head, place)
        for key in self._keys:
            if bound is None or head[len(BOUND) :] != _ring_id(key) or len(nonce) != _NONCE_BYTES:
                continue
            try:
                return key, _cipher(key).decrypt(nonce, sealed[_HEAD_BYTES + _NONCE_BYTES :], bound)
            except InvalidTag:
                continue
        raise KeyUnusableError

    def digests(self, secret: bytes, purpose: str) -> tuple[bytes, ...]:
        """Return the digest of ``secret`` under each of the keys, newest first."""
        return tuple(self._candidates(secret, purpose))

    def digest(self, secret: bytes, purpose: str) -> bytes:
        """Return the keyed digest (32 bytes) under which a random secret may be stored and looked up."""
        return _digest(self._keys[0], secret, purpose)

    def new_digest(self, secret: bytes, purpose: str) -> KeyedDigest:
        """Return the same with the ID of the key, so that it is known later which key it depends on."""
        return KeyedDigest(self.digest(secret, purpose), self.ids[0])

    def matches(self, digest: bytes, secret: bytes, purpose: str) -> bool:
        """Whether ``digest`` is that of ``secret`` under any of the keys. Takes the same time either way."""
        found = False
        for candidate in self._candidates(secret, purpose):
            found |= hmac.compare_digest(candidate, digest)
        return found

    def _candidates(self, secret: bytes, purpose: str) -> Iterator[bytes]:
        return (_digest(key, secret, purpose) for key in self._keys)


def _ring_id(key: bytes) -> bytes:
    return hashlib.sha256(_ID_PREFIX + key).digest()[:_ID_BYTES]


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(_derived(key, _SEAL_KEY))


def _seal(key: bytes, plaintext: bytes, place: Place) -> bytes:
    head = BOUND + _ring_id(key)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + _cipher(key).encrypt(nonce, plaintext, _bound(head, place))


def _bound(head: bytes, place: Place) -> bytes | None:
    """Return what is authenticated beside the content; None if it is not known how it was sealed."""
    installation = {UNBOUND: b"", BOUND: place.installation.bytes}.get(head[: len(BOUND)])
    return None if installation is None else head + installation + place.purpose.encode()


def _digest(key: bytes, secret: bytes, purpose: str) -> bytes:
    return hmac.digest(_derived(key, f"{_DIGEST_KEY}/{purpose}"), secret, "sha256")


@lru_cache(128)
def _derived(key: bytes, purpose: str) -> bytes:
    """Derive each key once: every request needs several."""
    return derive_key(key, purpose)

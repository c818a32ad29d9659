"""Signs the ledger's lines, and stamps rows outside of it. The ledger's keys are sealed under ENCRYPTION_KEY."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.sealing.keyring import KeyRing, Place
from telemetry_service.sealing.ledger_key import LedgerKey
from telemetry_service.storage.ledger import NewKey, StoredKeys
from telemetry_service.storage.stamps import NUMBER_BYTES, Stamped

_SIGNS, _SIGNED = "ledger-key", "ledger-public-key"
_STAMP = "row-stamp"


class LedgerSigner:
    """Opens a key when it is first used, and keeps it in memory."""

    def __init__(self, keys: KeyRing) -> None:
        """Seal and open keys with ``keys``."""
        self._keys = keys
        self._open: dict[bytes, LedgerKey] = {}

    def make(self, installation: UUID) -> NewKey:
        """Return a new key of an installation."""
        key = LedgerKey.generate()
        sealed = self._keys.seal(key.private_key, _place(_SIGNS, key.key_id, installation))
        return NewKey(key.key_id, sealed, to_base64url(key.public_key).decode(), key.fingerprint)

    def sign(self, key_id: str, sealed: bytes, installation: UUID, claims: Mapping[str, object]) -> str:
        """Return the signed line.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        return self._opened(key_id, sealed, installation).sign(claims)

    def retire(self, key_id: str, sealed: bytes, installation: UUID) -> bytes:
        """Return what is kept of a key that no longer signs: its public key, sealed.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        public_key = self._opened(key_id, sealed, installation).public_key
        return self._keys.seal(public_key, _place(_SIGNED, key_id, installation))

    def seal_again(self, key_id: str, sealed: bytes, installation: UUID) -> bytes:
        """Return the same of a key that no longer signs, sealed under the newest key of the deployment.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        return self._keys.seal(self._earlier(key_id, sealed, installation), _place(_SIGNED, key_id, installation))

    def can_sign(self, stored: StoredKeys) -> bool:
        """Whether the key that signs can be opened."""
        sealed = stored.sealed.get(stored.signs or "")
        with suppress(KeyUnusableError):
            return sealed is not None and bool(self._opened(stored.signs or "", sealed, stored.installation))
        return False

    def stamp(self, name: str, content: bytes, number: bytes | None = None) -> bytes:
        """Return the stamp of a row, with a new number, or the one that it had."""
        number = number or secrets.token_bytes(NUMBER_BYTES)
        return number + self._keys.digest(_stamped(name, number, content), _STAMP)

    def is_intact(self, stamped: Stamped) -> bool:
        """Whether a row is as this installation has stamped it, under any key of the deployment."""
        return self.is_stamped(stamped.name, stamped.content, stamped.stamp or b"")

    def is_stamped(self, name: str, content: bytes, stamp: bytes) -> bool:
        """Whether this is a stamp of such a row."""
        number, digest = stamp[:NUMBER_BYTES], stamp[NUMBER_BYTES:]
        return self._keys.matches(digest, _stamped(name, number, content), _STAMP)

    def public_keys(self, stored: StoredKeys) -> dict[str, bytes]:
        """Return the raw public keys by their IDs.

        Only those that can be opened: no one else can have stored them.
        """
        found: dict[str, bytes] = {}
        for key_id, sealed in stored.sealed.items():
            with suppress(KeyUnusableError):
                found[key_id] = self._public_key(key_id, sealed, stored)
        return found

    def _public_key(self, key_id: str, sealed: bytes, stored: StoredKeys) -> bytes:
        if key_id == stored.signs:
            return self._opened(key_id, sealed, stored.installation).public_key
        return self._earlier(key_id, sealed, stored.installation)

    def _earlier(self, key_id: str, sealed: bytes, installation: UUID) -> bytes:
        """Return the public key of one that no longer signs."""
        with suppress(KeyUnusableError):
            return self._keys.open(sealed, _place(_SIGNED, key_id, installation))
        # It could not be opened when another key took its place, so its private key is still there.
        return LedgerKey(self._keys.open(sealed, _place(_SIGNS, key_id, installation))).public_key

    def _opened(self, key_id: str, sealed: bytes, installation: UUID) -> LedgerKey:
        known = self._open.get(sealed)
        if known is None:
            known = LedgerKey(self._keys.open(sealed, _place(_SIGNS, key_id, installation)))
            self._open = {sealed: known}
        return known


def _stamped(name: str, number: bytes, content: bytes) -> bytes:
    return b"\0".join((name.encode(), number.hex().encode(), content))


def purposes_of(key_id: str) -> tuple[str, str]:
    """Return what the key of a row can be sealed as: one that signs, and one that no longer does."""
    return f"{_SIGNS}/{key_id}", f"{_SIGNED}/{key_id}"


def _place(use: str, key_id: str, installation: UUID) -> Place:
    return Place(f"{use}/{key_id}", installation)

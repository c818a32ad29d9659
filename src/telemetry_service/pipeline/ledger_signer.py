"""Signs the ledger's lines. The keys are at rest in the database, sealed under ENCRYPTION_KEY."""

from collections.abc import Mapping
from contextlib import suppress

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.sealing.ledger_key import LedgerKey
from telemetry_service.storage.ledger import NewKey, StoredKeys

_SIGNS, _SIGNED = "ledger-key", "ledger-public-key"


class LedgerSigner:
    """Opens a key when it is first used, and keeps it in memory."""

    def __init__(self, keys: KeyRing) -> None:
        """Seal and open keys with ``keys``."""
        self._keys = keys
        self._open: dict[bytes, LedgerKey] = {}

    def make(self) -> NewKey:
        """Return a new key."""
        key = LedgerKey.generate()
        sealed = self._keys.seal(key.private_key, _purpose(_SIGNS, key.key_id))
        return NewKey(key.key_id, sealed, to_base64url(key.public_key).decode(), key.fingerprint)

    def sign(self, key_id: str, sealed: bytes, claims: Mapping[str, object]) -> str:
        """Return the signed line.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        return self._opened(key_id, sealed).sign(claims)

    def retire(self, key_id: str, sealed: bytes) -> bytes:
        """Return what is kept of a key that no longer signs: its public key, sealed.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        return self._keys.seal(self._opened(key_id, sealed).public_key, _purpose(_SIGNED, key_id))

    def seal_again(self, key_id: str, sealed: bytes) -> bytes:
        """Return the same of a key that no longer signs, sealed under the newest key of the deployment.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        return self._keys.seal(self._earlier(key_id, sealed), _purpose(_SIGNED, key_id))

    def public_keys(self, stored: StoredKeys) -> dict[str, bytes]:
        """Return the raw public keys by their IDs.

        Only those that can be opened: no one else can have stored them.
        """
        found: dict[str, bytes] = {}
        for key_id, sealed in stored.sealed.items():
            with suppress(KeyUnusableError):
                found[key_id] = self._public_key(key_id, sealed, signs=key_id == stored.signs)
        return found

    def _public_key(self, key_id: str, sealed: bytes, *, signs: bool) -> bytes:
        return self._opened(key_id, sealed).public_key if signs else self._earlier(key_id, sealed)

    def _earlier(self, key_id: str, sealed: bytes) -> bytes:
        """Return the public key of one that no longer signs."""
        with suppress(KeyUnusableError):
            return self._keys.open(sealed, _purpose(_SIGNED, key_id))
        # It could not be opened when another key took its place, so its private key is still there.
        return LedgerKey(self._keys.open(sealed, _purpose(_SIGNS, key_id))).public_key

    def _opened(self, key_id: str, sealed: bytes) -> LedgerKey:
        known = self._open.get(sealed)
        if known is None:
            known = LedgerKey(self._keys.open(sealed, _purpose(_SIGNS, key_id)))
            self._open = {sealed: known}
        return known


def _purpose(use: str, key_id: str) -> str:
    return f"{use}/{key_id}"

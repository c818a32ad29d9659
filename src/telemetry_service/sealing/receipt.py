"""Verifies the License Server's receipt for a payload with the keys that the deployment pins."""

import hashlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.receipt import parse_receipt

_ALGORITHMS = ("EdDSA", "Ed25519")
"""Two names for one signature: RFC 8037 introduced the first, RFC 9864 prefers the second."""

_REMEMBERED = 256
"""Receipts that were verified, by their text."""


class ReceiptKeys:
    """The pinned public keys of the License Server. Several, so that it can replace its key."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Collection["ReceiptKey"]) -> None:
        """Pin ``keys``; ``parse`` reads them from a setting."""
        self._keys = tuple(keys)

    @classmethod
    def parse(cls, text: str) -> "ReceiptKeys":
        """Read public keys, separated by commas.

        Raises:
            ValueError: one of them is no such key. The message does not quote it.
        """
        return cls([ReceiptKey.parse(part) for part in text.split(",")])

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The hex SHA-256 digest of each raw key."""
        return tuple(key.fingerprint for key in self._keys)

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """The raw keys."""
        return tuple(key.public_key for key in self._keys)

    def read(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> Mapping[str, Any] | None:
        """Return the claims of ``token``, or None if it is not this License Server's receipt for one of our payloads.

        ``payload_digests`` are hex SHA-256 digests of the canonical payloads of the transmission's attempts.
        """
        read = (key.read(token, transmission_id, payload_digests) for key in self._keys)
        return next((claims for claims in read if claims is not None), None)

    def verified_with(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> str | None:
        """Return the fingerprint of the key that ``read`` verifies ``token`` with, or None."""
        good = (key.fingerprint for key in self._keys if key.verify(token, transmission_id, payload_digests))
        return next(good, None)

    def signed(self, token: str) -> bool:
        """Whether this License Server signed ``token``, whatever it says."""
        return any(key.signed(token) for key in self._keys)


class ReceiptKey:
    """One public key (Ed25519) of the License Server."""

    __slots__ = ("_claims", "_key")

    def __init__(self, key: Ed25519PublicKey) -> None:
        """Pin ``key``; ``parse`` reads one from a setting."""
        self._key = key
        # A page shows many receipts, mostly the same as the page before. What is refused is verified again.
        self._claims = lru_cache(_REMEMBERED)(self._verified)

    @classmethod
    def parse(cls, text: str) -> "ReceiptKey":
        """Read a public key: PEM, or its 32 bytes in URL-safe base64.

        Raises:
            ValueError: it is neither. The message does not quote it.
        """
        try:
            key = _read_pem(text) if "-----BEGIN" in text else _read_raw(text)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            msg = "not an Ed25519 public key (PEM, or 32 bytes in URL-safe base64)"
            raise ValueError(msg)  # noqa: TRY004 - the text is wrong, not its type
        return cls(key)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the raw key."""
        return self._key.public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """The hex SHA-256 digest of the raw key."""
        return hashlib.sha256(self.public_key).hexdigest()

    def verify(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> bool:
        """Whether ``token`` is this License Server's receipt for one of our payloads."""
        return self.read(token, transmission_id, payload_digests) is not None

    def read(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> Mapping[str, Any] | None:
        """Return the claims of ``token``, or None if it is not this License Server's receipt for one of our payloads.

        ``payload_digests`` are hex SHA-256 digests of the canonical payloads of the transmission's attempts.
        """
        try:
            claims = self._claims(token)
        except (ValueError, InvalidSignature):
            return None
        ours = (
            claims.get("transmission_id") == str(transmission_id)
            and any(claims.get("payload_sha256") == digest for digest in payload_digests)
            and isinstance(claims.get("received_at"), str)
        )
        return claims if ours else None

    def signed(self, token: str) -> bool:
        """Whether ``token`` is signed with this key, whatever it says."""
        try:
            self._claims(token)
        except (ValueError, InvalidSignature):
            return False
        return True

    def _verified(self, token: str) -> Mapping[str, Any]:
        """Return the claims of the receipt after verifying its signature."""
        receipt = parse_receipt(token)
        # Any extension named in ``crit`` would change the meaning of the signature, and we support none.
        if receipt.header.get("alg") not in _ALGORITHMS or "crit" in receipt.header:
            raise ValueError
        self._key.verify(receipt.signature, receipt.signed)
        return receipt.claims


def _read_pem(text: str) -> object:
    return load_pem_public_key(text.encode())


def _read_raw(text: str) -> object:
    return Ed25519PublicKey.from_public_bytes(from_base64url(text.strip().removesuffix("=")))

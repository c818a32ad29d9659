"""The key that signs the ledger's lines (Ed25519), each as a JWS in compact serialization (RFC 7515)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import JsonValue

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.sealing.canonical import canonical_json

_TYPE = "control-core-ledger"
_KEY_ID_DIGITS = 16


class LedgerKey:
    """A private key with its public key, its ID and its fingerprint."""

    __slots__ = ("_header", "_key", "fingerprint", "key_id", "public_key")

    def __init__(self, private_key: bytes) -> None:
        """Take the 32 bytes of a private key."""
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.fingerprint = fingerprint(self.public_key)
        self.key_id = key_id_of(self.fingerprint)
        self._header = to_base64url(canonical_json({"alg": "EdDSA", "kid": self.key_id, "typ": _TYPE}))

    @classmethod
    def generate(cls) -> "LedgerKey":
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def private_key(self) -> bytes:
        """The 32 bytes of the private key."""
        return self._key.private_bytes_raw()

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return the line that says ``claims``.

        Raises:
            ValueError: the claims have no canonical JSON form.
        """
        said = canonical_json(cast("Mapping[str, JsonValue]", claims))
        signed = self._header + b"." + to_base64url(said)
        return (signed + b"." + to_base64url(self._key.sign(signed))).decode("ascii")


def key_id_of(fingerprint: str) -> str:
    """Return the ID of the key with a fingerprint."""
    return fingerprint[:_KEY_ID_DIGITS]


def fingerprint(public_key: bytes) -> str:
    """Return the hex SHA-256 digest of a raw public key."""
    return hashlib.sha256(public_key).hexdigest()


def read_line(line: str, public_keys: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return what a line says, or None if none of the keys, by their IDs, has signed it."""
    try:
        header, said, signature = line.split(".")
        key_id = json.loads(from_base64url(header))["kid"]
        key = Ed25519PublicKey.from_public_bytes(public_keys[key_id])
        key.verify(from_base64url(signature), f"{header}.{said}".encode("ascii"))
        claims: dict[str, Any] = json.loads(from_base64url(said))
    except (ValueError, KeyError, TypeError, RecursionError, InvalidSignature):
        return None
    return claims


def signer_of(line: str) -> str | None:
    """Return the ID of the key that a line names, whether it was signed with that one or not."""
    try:
        header = json.loads(from_base64url(line.partition(".")[0]))
    except (ValueError, RecursionError):
        return None
    return str(header.get("kid")) if isinstance(header, dict) else None


def unverified(line: str) -> dict[str, Any]:
    """Return what a line says without asking who signed it; empty if it is not a line."""
    try:
        claims = json.loads(from_base64url(line.split(".")[1]))
    except (ValueError, IndexError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}

"""The License Server's signed word that it accepted a payload, checked against the key that the deployment pins."""

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from telemetry_service.sealing.encoding import from_base64url

_PARTS = 3
_ALGORITHMS = ("EdDSA", "Ed25519")
"""Two names of one signature: RFC 8037 gave the first, RFC 9864 has since preferred the second."""


class ReceiptKey:
    """The pinned public key (Ed25519) of the License Server."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PublicKey) -> None:
        """Pin ``key``; :meth:`parse` reads one from a setting."""
        self._key = key

    @classmethod
    def parse(cls, text: str) -> "ReceiptKey":
        """Read a public key: PEM, or its 32 bytes in URL-safe base64.

        Raises:
            ValueError: it is neither. The text is not quoted.

        """
        try:
            key = _read_pem(text) if "-----BEGIN" in text else _read_raw(text)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            msg = "not an Ed25519 public key (PEM, or 32 bytes in URL-safe base64)"
            raise ValueError(msg)  # noqa: TRY004 - the text is wrong, not its type
        return cls(key)

    def verify(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> bool:
        """Whether ``token`` is this License Server's receipt for one of our payloads."""
        return self.read(token, transmission_id, payload_digests) is not None

    def read(self, token: str, transmission_id: UUID, payload_digests: Collection[str]) -> dict[str, Any] | None:
        """Return what ``token`` says, None unless it is this License Server's receipt for one of our payloads.

        ``payload_digests`` are hex SHA-256 digests of the canonical payloads of the transmission's attempts.
        """
        try:
            claims = self._claims(token)
        except (ValueError, RecursionError, InvalidSignature):
            return None
        ours = (
            claims.get("transmission_id") == str(transmission_id)
            and any(claims.get("payload_sha256") == digest for digest in payload_digests)
            and isinstance(claims.get("received_at"), str)
        )
        return claims if ours else None

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what the receipt says, once its signature (JWS compact, RFC 7515) has been verified."""
        parts = token.split(".")
        if len(parts) != _PARTS:
            raise ValueError
        header, claims, signature = map(from_base64url, parts)
        # Any extension named in ``crit`` would change what the signature means, and we know none.
        understood = _read_object(header)
        if understood.get("alg") not in _ALGORITHMS or "crit" in understood:
            raise ValueError
        self._key.verify(signature, f"{parts[0]}.{parts[1]}".encode("ascii"))
        return _read_object(claims)


def _read_pem(text: str) -> object:
    return load_pem_public_key(text.encode())


def _read_raw(text: str) -> object:
    return Ed25519PublicKey.from_public_bytes(from_base64url(text.strip().removesuffix("=")))


def _read_object(raw: bytes) -> dict[str, Any]:
    value = json.loads(raw, object_pairs_hook=_without_duplicates)
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - refused like any other malformed receipt
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members

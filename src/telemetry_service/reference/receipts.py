"""Receipts: the License Server's signed statement that it has a payload, as JWS compact (RFC 7515, EdDSA)."""

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The content of a receipt: this payload (hex SHA-256 of its canonical JSON) was received at that time.

    ``license`` is the customer's license block, if any; a sender that pins the key trusts it only here.
    """

    transmission_id: UUID
    payload_sha256: str
    received_at: str
    license: Mapping[str, object] | None = None
    ledger: str | None = None
    """The head of its ledger as the sender reported it."""

    @property
    def claims(self) -> dict[str, Any]:
        """What is signed."""
        required = {
            "transmission_id": str(self.transmission_id),
            "payload_sha256": self.payload_sha256,
            "received_at": self.received_at,
        }
        optional = {"ledger": self.ledger, "license": None if self.license is None else dict(self.license)}
        return required | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Refused:
    """The content of a signed refusal: this transmission of a bundle was not accepted, and why."""

    transmission_id: str
    code: str
    body_sha256: str
    """Which attempt is refused: another one of the same transmission may be accepted."""
    refused_at: str


_HEADER = {"alg": "EdDSA"}

Changes = Callable[[Mapping[str, Any]], dict[str, Any]]


class ReceiptSigner:
    """Signs receipts with one Ed25519 key."""

    def __init__(self, key: Ed25519PrivateKey, changes: Changes = dict) -> None:
        """Sign with ``key``; ``changes`` makes wrong receipts."""
        self._key = key
        self._changes = changes

    def altered(self, changes: Changes) -> "ReceiptSigner":
        """Return a signer with the same key whose receipts are wrong."""
        return ReceiptSigner(self._key, changes)

    @property
    def public_key(self) -> str:
        """The 32 bytes that a deployment pins, in URL-safe base64 without padding."""
        return _base64url(self._key.public_key().public_bytes_raw())

    def sign(self, receipt: Receipt) -> str:
        """Return the receipt as JWS compact serialization."""
        return self.sign_claims(self._changes(receipt.claims))

    def sign_refusal(self, refused: Refused) -> str:
        """Return the refusal as JWS compact serialization."""
        return self.sign_claims(asdict(refused))

    def sign_claims(self, claims: Mapping[str, Any], header: Mapping[str, Any] = _HEADER) -> str:
        """Return any claims as JWS compact serialization, under any header."""
        protected = _base64url(rfc8785.dumps(dict(header)))
        signed = f"{protected}.{_base64url(rfc8785.dumps(claims))}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode()))}"


def load_signer(path: Path) -> ReceiptSigner:
    """Return the signer whose key is in the PEM file ``path``; a missing file is created, readable only by its owner.

    Raises:
        ValueError: the file does not contain an Ed25519 private key.
    """
    if not path.exists():
        _write_private_key(path, Ed25519PrivateKey.generate())
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        msg = "the signing key file holds no Ed25519 private key"
        raise ValueError(msg)  # noqa: TRY004 - a wrong file is a wrong value
    return ReceiptSigner(key)


def _write_private_key(path: Path, key: Ed25519PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

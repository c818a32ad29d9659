"""Seals as version 0.1.0 did: not bound to an installation."""

import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry_service.sealing.derivation import derive_key
from telemetry_service.sealing.keyring import KeyRing


def seal_unbound(key: bytes, plaintext: bytes, purpose: str) -> bytes:
    """Return ``plaintext`` sealed under ``key`` for a purpose."""
    head, nonce = b"\x01" + KeyRing((key,)).ids[0], secrets.token_bytes(12)
    sealed = AESGCM(derive_key(key, "control-core-telemetry/key-ring/seal/v1")).encrypt(
        nonce, plaintext, head + purpose.encode()
    )
    return head + nonce + sealed

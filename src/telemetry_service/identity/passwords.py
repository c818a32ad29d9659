"""Passwords: argon2id, rehashed when the parameters change, and never more than two at a time."""

import base64
import secrets
import unicodedata
from dataclasses import dataclass
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from telemetry_service.domain.plain_text import has_lone_surrogate
from telemetry_service.identity.password_rules import PASSWORD_MAXIMUM, check_new_password

_SALT_BYTES, _DIGEST_BYTES = 16, 32

_AT_ONCE = 2
"""Each hash takes 64 MiB: a burst of logins must not exhaust the memory of the service."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs; the defaults are the second recommendation of RFC 9106, section 4."""

    rounds: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, cost: HashCost | None = None) -> None:
        """Use ``cost`` for new hashes; old ones are verified with their own."""
        cost = cost or HashCost()
        self._hasher = PasswordHasher(time_cost=cost.rounds, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._at_once = BoundedSemaphore(_AT_ONCE)
        # Verified instead of the account's hash if the name is wrong, so that both take the same time.
        self._nobodys = _hash_of_no_password(cost)

    def hash(self, password: str) -> str:
        """Return a hash of a new password, with a new salt.

        Raises:
            PasswordRefusedError: the password is too short, too long, easy to guess, or contains something invisible.
        """
        check_new_password(password)
        return self._hashed(password)

    def renewed(self, password_hash: str, password: str) -> str | None:
        """Return a new hash of a verified password if its present hash is outdated, or None.

        The rules for new passwords do not apply: earlier versions had fewer, and the password was just used to log in.
        """
        return self._hashed(password) if self._hasher.check_needs_rehash(password_hash) else None

    def _hashed(self, password: str) -> str:
        with self._at_once:
            return self._hasher.hash(_canonical(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether ``password`` is the one that was hashed. Takes the same time if there is no hash."""
        if len(password) > PASSWORD_MAXIMUM or has_lone_surrogate(password):
            password = ""
        with self._at_once:
            try:
                self._hasher.verify(password_hash or self._nobodys, _canonical(password))
            except (VerificationError, InvalidHashError):
                return False
        return password_hash is not None


def _hash_of_no_password(cost: HashCost) -> str:
    """Return a regular hash with a random digest: it costs nothing to create, and as much to verify as any.

    Hashing a text instead would take 64 MiB and a third of a second at each start, or make the first login slower than
    all others.
    """
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=") for length in (_SALT_BYTES, _DIGEST_BYTES)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.rounds},p={cost.lanes}${salt}${digest}"


def _canonical(password: str) -> str:
    # Keyboards compose accented letters differently; the same password must stay the same (RFC 8265).
    return unicodedata.normalize("NFC", password)

"""Service tokens: ``cct_<token id>_<secret>``. Only a keyed digest of the secret is stored.

A verified token is cached in memory for ``REMEMBERED``, so that the hot path does not read the database for each call.
A revoked token may keep working for as long.
"""

import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import AccessDeniedError, NotFoundError, StorageUnavailableError, TelemetryError
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope, granted
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from telemetry_service.storage.identity import StoredToken

REMEMBERED = timedelta(seconds=5)
"""How long a verified token is trusted without checking the database: the delay of a revocation."""

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

NAME_MALFORMED = (
    "A service token name has 1 to 64 letters, digits, dots, dashes, and underscores and begins with a letter or a"
    " digit."
)
NAME_TAKEN = "Another valid token has this name. Revoke it first, or choose another name."

_USE_NOTED_EVERY = timedelta(minutes=1)
_DIGEST = "service-token"
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_SECRET_BYTES = 32
_TOKEN = re.compile(r"cct_([a-z2-7]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_REMEMBERED_AT_MOST = 1_000


class TokenRefusedError(TelemetryError):
    """The token cannot be created as requested."""

    code = "token-refused"
    sentence = (
        "A service token needs at least one scope and a name of 1 to 64 letters, digits, dots, dashes, and"
        " underscores that no other valid token has."
    )


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What may be shown about a token."""

    token_id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    """Accurate to about a minute."""
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new token, shown once."""

    token: str = field(repr=False)
    facts: TokenFacts


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """A service that showed a valid token."""

    token_id: str
    name: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class _Remembered:
    holder: TokenHolder
    since: datetime


class ServiceTokens:
    """Creates, verifies and revokes service tokens."""

    def __init__(self, database: Database, clock: Clock, keys: KeyRing) -> None:
        """Store tokens in ``database``, under ``keys``."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._verified: dict[bytes, _Remembered] = {}

    def create(self, name: str, scopes: Collection[Scope], actor: Actor) -> CreatedToken:
        """Create a token. Its text is only in the return value.

        Raises:
            TokenRefusedError: the name is malformed or taken, or there is no scope.
        """
        if not re.fullmatch(NAME_PATTERN, name, re.ASCII):
            raise TokenRefusedError(NAME_MALFORMED)
        if not scopes:
            raise TokenRefusedError
        token_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        ordered = tuple(scope.value for scope in Scope if scope in scopes)
        now = self._clock.now()
        digest = self._keys.digest(secret.encode(), _DIGEST)
        stored = StoredToken(token_id, name, digest, ordered, now, last_used_at=None, revoked_at=None, expires_at=None)
        with self._database.write() as tx:
            if any(other.name == name and other.revoked_at is None for other in tx.identity.tokens()):
                raise TokenRefusedError(NAME_TAKEN)
            tx.identity.add_token(stored)
            tx.ledger.note(now, actor, Kind.TOKEN_CREATED, {"token_id": token_id, "scopes": " ".join(ordered)})
        return CreatedToken(f"cct_{token_id}_{secret}", _facts(stored))

    def list(self) -> tuple[TokenFacts, ...]:
        """Return all tokens, revoked ones too, oldest first."""
        with self._database.read() as tx:
            return tuple(_facts(stored) for stored in tx.identity.tokens())

    def revoke(self, token_id: str, actor: Actor) -> None:
        """Revoke a token. It works for at most ``REMEMBERED`` longer, in every replica.

        Raises:
            NotFoundError: there is no such token, or it is already revoked.
        """
        now = self._clock.now()
        with self._database.write() as tx:
            if not tx.identity.revoke_token(token_id, now):
                raise NotFoundError
            tx.ledger.note(now, actor, Kind.TOKEN_REVOKED, {"token_id": token_id})
        self._verified.clear()

    def remembered(self, token: str) -> TokenHolder | None:
        """Return the holder of a recently verified token, without reading the database."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        found = self._verified.get(self._memory_key(match))
        # Not `now - since < REMEMBERED` alone: a clock that is set back would prolong it.
        if found is None or not timedelta(0) <= self._clock.now() - found.since < REMEMBERED:
            return None
        return found.holder

    def verify(self, token: str) -> TokenHolder:
        """Return the holder of a token, from the database.

        Raises:
            AccessDeniedError: the token is malformed, unknown or revoked.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise AccessDeniedError
        now = self._clock.now()
        with self._database.read() as tx:
            stored = tx.identity.token(match[1])
        digest = stored.digest if stored else bytes(32)
        if not self._keys.matches(digest, match[2].encode(), _DIGEST) or stored is None or stored.revoked_at:
            raise AccessDeniedError
        holder = TokenHolder(stored.token_id, stored.name, granted(Scope(scope) for scope in stored.scopes))
        self._note_use(stored, now)
        self._remember(self._memory_key(match), holder, now)
        return holder

    def _memory_key(self, match: re.Match[str]) -> bytes:
        # It includes the ID: with the digest alone, a secret would work with another token's ID.
        return self._keys.digest(match[0].encode(), "service-token-memory")

    def _remember(self, key: bytes, holder: TokenHolder, now: datetime) -> None:
        if len(self._verified) >= _REMEMBERED_AT_MOST:
            self._verified.clear()
        self._verified[key] = _Remembered(holder, now)

    def _note_use(self, stored: StoredToken, now: datetime) -> None:
        if stored.last_used_at is not None and timedelta(0) <= now - stored.last_used_at < _USE_NOTED_EVERY:
            return
        # A disk problem must not keep callers out.
        with suppress(StorageUnavailableError), self._database.write() as tx:
            tx.identity.note_token_use(stored.token_id, now)


def _facts(stored: StoredToken) -> TokenFacts:
    scopes = tuple(Scope(scope) for scope in stored.scopes)
    return TokenFacts(stored.token_id, stored.name, scopes, stored.created_at, stored.last_used_at, stored.revoked_at)

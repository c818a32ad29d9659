"""Service tokens. Only a keyed digest of the secret is stored; ``token_text.py`` has the text.

A verified token is cached in memory for ``REMEMBERED``, so that the hot path does not read the database for each call.
A revoked token may keep working for as long in another replica.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.clock import Clock, rfc3339
from telemetry_service.domain.errors import (
    AccessDeniedError,
    NotFoundError,
    StorageUnavailableError,
    TelemetryError,
    TokenExpiredError,
)
from telemetry_service.domain.keyed_digest import KeyAge, key_age
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.identity import token_text
from telemetry_service.identity.scopes import Scope, granted
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database, Transaction
from telemetry_service.storage.identity import StoredToken

REMEMBERED = timedelta(seconds=5)
"""How long a verified token is trusted without checking the database: the delay of a revocation."""

VERIFIED_LATELY = timedelta(minutes=10)
"""How long a verified token lets its holder read the metrics of a service whose database cannot be read."""

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

NAME_MALFORMED = (
    "A service token name has 1 to 64 letters, digits, dots, dashes, and underscores and begins with a letter or a"
    " digit."
)
NAME_RESERVED = "This name stands for the token in TELEMETRY_BOOTSTRAP_TOKEN. Choose another name."
BOOTSTRAP = "bootstrap"
"""The ID and the name of the token that the deployment sets."""

LIFETIME = timedelta(days=365)
LONGEST_LIFETIME = timedelta(days=3650)
EXPIRES_SOON = timedelta(days=14)
"""How long before a token expires this is noted."""

_USE_NOTED_EVERY = timedelta(minutes=1)
_DIGEST = "service-token"
_REMEMBERED_AT_MOST = 1_000


class TokenRefusedError(TelemetryError):
    """The token cannot be created as requested."""

    code = "token-refused"
    sentence = (
        "A service token needs at least one scope and a name of 1 to 64 letters, digits, dots, dashes, and"
        " underscores that no other valid token has."
    )


class TokenNameTakenError(TokenRefusedError):
    """Another valid token has the name."""

    code = "token-name-taken"
    sentence = "Another valid token has this name. Revoke it first, or choose another name."


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
    expires_at: datetime | None
    """None for a token that never expires."""
    credential_key: KeyAge
    """Which key of ``CREDENTIAL_ENCRYPTION_KEY`` it depends on, until its next use."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def expires_soon(self, now: datetime) -> bool:
        """Whether it is valid and will not be in two weeks."""
        return self.is_valid(now) and self.expires_at is not None and self.expires_at - now <= EXPIRES_SOON


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
    expires_at: datetime | None

    def is_fresh(self, now: datetime, trusted: timedelta = REMEMBERED) -> bool:
        """Whether it can be trusted without asking the database."""
        # Not `now - since < trusted` alone: a clock that is set back would prolong it.
        fresh = timedelta(0) <= now - self.since < trusted
        return fresh and (self.expires_at is None or now < self.expires_at)


_DEPLOYMENTS_OWN = TokenHolder(BOOTSTRAP, BOOTSTRAP, granted([Scope.ADMIN]))


class ServiceTokens:
    """Creates, verifies and revokes service tokens."""

    def __init__(self, database: Database, clock: Clock, keys: KeyRing, bootstrap: str | None = None) -> None:
        """Store tokens in ``database``, under ``keys``; ``bootstrap`` is the one that the deployment sets."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._bootstrap = None if bootstrap is None else bootstrap.encode()
        self._verified: dict[bytes, _Remembered] = {}
        self._memory_secret = secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)

    def create(
        self, name: str, scopes: Collection[Scope], actor: Actor, lifetime: timedelta | None = LIFETIME
    ) -> CreatedToken:
        """Create a token. Its text is only in the return value. Without a ``lifetime`` it never expires.

        A token that another token creates expires with it at the latest: a stolen one must not outlive its time.

        Raises:
            TokenRefusedError: the name is malformed or taken, or there is no scope.
        """
        found = self.create_if_missing(name, scopes, actor, lifetime)
        if isinstance(found, TokenFacts):
            raise TokenNameTakenError
        return found

    def create_if_missing(
        self, name: str, scopes: Collection[Scope], actor: Actor, lifetime: timedelta | None = LIFETIME
    ) -> CreatedToken | TokenFacts:
        """Create a token as ``create`` does, or return what is known of the valid one that has this name.

        Of several callers at the same moment, one creates it and the others find it.

        Raises:
            TokenRefusedError: the name is malformed, or there is no scope.
        """
        _check(name, scopes)
        now, secret = self._clock.now(), token_text.new_secret()
        digest = self._keys.new_digest(secret.encode(), _DIGEST)
        with self._database.write() as tx:
            there = tx.identity.valid_token(name, now)
            if there is not None:
                return self._facts(there)
            stored = StoredToken(
                token_id=token_text.new_id(),
                name=name,
                digest=digest.digest,
                scopes=tuple(scope.value for scope in Scope if scope in scopes),
                created_at=now,
                last_used_at=None,
                revoked_at=None,
                expires_at=_end(tx, actor, now, lifetime),
                digest_key=digest.key_id,
            )
            tx.identity.add_token(stored)
            tx.ledger.note(now, actor, Kind.TOKEN_CREATED, _said_of(stored))
        return CreatedToken(token_text.written(stored.token_id, secret), self._facts(stored))

    def list(self) -> tuple[TokenFacts, ...]:
        """Return all stored tokens, revoked and expired ones too, oldest first."""
        with self._database.read() as tx:
            return tuple(self._facts(stored) for stored in tx.identity.tokens())

    def _facts(self, stored: StoredToken) -> TokenFacts:
        return TokenFacts(
            token_id=stored.token_id,
            name=stored.name,
            scopes=tuple(Scope(scope) for scope in stored.scopes),
            created_at=stored.created_at,
            last_used_at=stored.last_used_at,
            revoked_at=stored.revoked_at,
            expires_at=stored.expires_at,
            credential_key=key_age(stored.digest_key, self._keys.ids),
        )

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
        if self._bootstrap is not None and hmac.compare_digest(token.encode(), self._bootstrap):
            return _DEPLOYMENTS_OWN
        return self._trusted(token, REMEMBERED)

    def verified_lately(self, token: str) -> TokenHolder | None:
        """Return the holder of a token that was verified within ``VERIFIED_LATELY``: for when nothing can be read."""
        return self._trusted(token, VERIFIED_LATELY)

    def _trusted(self, token: str, trusted: timedelta) -> TokenHolder | None:
        if token_text.read(token) is None:
            return None
        found = self._verified.get(self._memory_key(token))
        return found.holder if found is not None and found.is_fresh(self._clock.now(), trusted) else None

    def verify(self, token: str) -> TokenHolder:
        """Return the holder of a token, from the database.

        Raises:
            TokenExpiredError: its time is over.
            AccessDeniedError: it is malformed, unknown or revoked.
        """
        read = token_text.read(token)
        if read is None:
            raise AccessDeniedError
        token_id, secret = read
        now = self._clock.now()
        with self._database.read() as tx:
            stored = tx.identity.token(token_id)
        digest = stored.digest if stored else bytes(32)
        if not self._keys.matches(digest, secret.encode(), _DIGEST) or stored is None or stored.revoked_at:
            raise AccessDeniedError
        if stored.has_expired(now):
            raise TokenExpiredError
        holder = TokenHolder(stored.token_id, stored.name, granted(Scope(scope) for scope in stored.scopes))
        self._note_use(stored, secret.encode(), now)
        self._remember(self._memory_key(token), _Remembered(holder, now, stored.expires_at))
        return holder

    def _memory_key(self, token: str) -> bytes:
        # It includes the ID: with the digest alone, a secret would work with another token's ID. BLAKE2 is keyed by
        # itself, and as quick as it has to be for every request.
        return hashlib.blake2b(token.encode(), key=self._memory_secret).digest()

    def _remember(self, key: bytes, verified: _Remembered) -> None:
        if len(self._verified) >= _REMEMBERED_AT_MOST:
            self._verified.clear()
        self._verified[key] = verified

    def _note_use(self, stored: StoredToken, secret: bytes, now: datetime) -> None:
        if stored.last_used_at is not None and timedelta(0) <= now - stored.last_used_at < _USE_NOTED_EVERY:
            return
        # A disk problem must not keep callers out.
        with suppress(StorageUnavailableError), self._database.write() as tx:
            tx.identity.note_token_use(stored.token_id, now)
            if stored.digest_key != self._keys.ids[0]:  # Only now its secret is here.
                tx.identity.rekey_token(stored.token_id, self._keys.new_digest(secret, _DIGEST))


def _check(name: str, scopes: Collection[Scope]) -> None:
    if not re.fullmatch(NAME_PATTERN, name, re.ASCII):
        raise TokenRefusedError(NAME_MALFORMED)
    if name == BOOTSTRAP:
        raise TokenRefusedError(NAME_RESERVED)
    if not scopes:
        raise TokenRefusedError


def _end(tx: Transaction, maker: Actor, now: datetime, lifetime: timedelta | None) -> datetime | None:
    held = tx.identity.token(maker.id) if maker.kind is ActorKind.TOKEN and maker.id is not None else None
    ends = (None if lifetime is None else now + lifetime, None if held is None else held.expires_at)
    return min((end for end in ends if end is not None), default=None)


def _said_of(stored: StoredToken) -> dict[str, Value]:
    expires = "never" if stored.expires_at is None else rfc3339(stored.expires_at)
    return {"token_id": stored.token_id, "scopes": " ".join(stored.scopes), "token_expires": expires}

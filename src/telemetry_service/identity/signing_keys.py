"""The public keys of an issuer: kept for a while, and read again for a key that is not among them.

Strangers can name any key, so keys are read again at most every ``PAUSE``. If they cannot be read, the keys read last
still count for ``LONGEST``: an issuer that is down for a moment locks no one out.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import IssuerUnavailableError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event

FRESH = timedelta(minutes=10)
"""How long keys are used without reading them again: the delay until a withdrawn key is refused."""

PAUSE = timedelta(seconds=30)
LONGEST = timedelta(hours=24)
_RSA_BITS = 2048
_MOST_KEYS = 100

PublicKey = RSAKey | ECKey | OKPKey


def parse_keys(content: bytes) -> Mapping[str, PublicKey]:
    """Return the usable keys of a JWK set by their key IDs; keys for other purposes are left out.

    Raises:
        ValueError: it is not a JWK set.
    """
    document = json.loads(content)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        msg = "not a JWK set"
        raise ValueError(msg)  # noqa: TRY004 - a wrong document, as json.loads reports it
    found = ((entry.get("kid"), _key(entry)) for entry in listed[:_MOST_KEYS] if isinstance(entry, dict))
    return {kid: key for kid, key in found if isinstance(kid, str) and key is not None}


def _key(entry: dict[str, object]) -> PublicKey | None:
    if entry.get("use", "sig") != "sig":
        return None
    public: dict[str, str | list[str]] = {name: value for name, value in entry.items() if isinstance(value, str)}
    try:
        key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError):
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= _RSA_BITS else None
    # A symmetric key verifies nothing here: anyone who can read it could sign with it.
    return key if isinstance(key, ECKey | OKPKey) else None


class SigningKeys:
    """The keys of one issuer. Threads may share them."""

    def __init__(self, issuer: str, read: Callable[[], bytes], clock: Clock, fresh: timedelta = FRESH) -> None:
        """Read nothing yet. ``issuer`` names the issuer in the log; ``read`` may raise ``IssuerUnavailableError``."""
        self._issuer = issuer
        self._read = read
        self._clock = clock
        self._fresh = fresh
        self._lock = Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None

    def has(self, kid: str) -> bool:
        """Whether a key is known without reading the keys."""
        return kid in self._keys and _within(self._read_at, self._clock.now(), self._fresh)

    def find(self, kid: str) -> PublicKey | None:
        """Return a key, or None if the issuer has none with this ID. It may read the keys.

        Raises:
            IssuerUnavailableError: the keys are not known and cannot be read now.
        """
        if not self.has(kid):
            with self._lock:  # Others wait for the same response instead of asking too.
                self._read_again(kid, self._clock.now())
        return self._keys.get(kid)

    def _read_again(self, kid: str, now: datetime) -> None:
        if self.has(kid):
            return
        if not _within(self._tried_at, now, min(PAUSE, self._fresh)):
            self._tried_at = now
            self._try(now)
        if not _within(self._read_at, now, LONGEST):
            raise IssuerUnavailableError

    def _try(self, now: datetime) -> None:
        try:
            self._keys = parse_keys(self._read())
            self._read_at = now
        except IssuerUnavailableError as error:
            log_event(Event.ISSUER_UNAVAILABLE, issuer=self._issuer, cause=error.cause)
        except ValueError:  # Not JSON, or not UTF-8, or not a JWK set.
            log_event(Event.ISSUER_UNAVAILABLE, issuer=self._issuer, cause="keys_malformed")


def _within(since: datetime | None, now: datetime, limit: timedelta) -> bool:
    # A clock that is set back must not prolong anything.
    return since is not None and timedelta(0) <= now - since < limit

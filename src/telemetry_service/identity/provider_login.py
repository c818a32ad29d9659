"""A login at the provider, from leaving for it until coming back: kept in the browser, sealed, for ten minutes.

Nothing is stored here for a login that may never come back, so strangers cannot fill the database with them.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.domain.errors import IdentityRefusedError, KeyUnusableError
from telemetry_service.identity.sessions import Proven
from telemetry_service.sealing.keyring import KeyRing, Place

LONGEST = timedelta(minutes=10)
"""Enough for a second factor; the provider's page has its own limit."""

NAME = "oidc"
"""The provider in the log."""

MOST = 4
"""Logins that one browser may have under way, one in each tab. Each request carries all their cookies."""

_PLACE = Place("provider-login", UUID(int=0))
"""A cookie, which belongs to no database."""


@dataclass(frozen=True, slots=True)
class ProviderLogin:
    """What only the browser that left may bring back."""

    begun_at: float
    next: str
    """The page to return to."""
    renews: str | None
    """The session whose person must authenticate again; None for a new session."""
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """The secret of PKCE (RFC 7636)."""

    @property
    def session_id(self) -> UUID | None:
        """The session to renew."""
        return None if self.renews is None else UUID(self.renews)

    def sealed(self, keys: KeyRing) -> str:
        """Return the value of its cookie."""
        return to_base64url(keys.seal(json.dumps(asdict(self)).encode(), _PLACE)).decode()


def open_login(cookie: str | None, state: str, keys: KeyRing, now: datetime) -> ProviderLogin:
    """Return the login that a browser brings back.

    Raises:
        IdentityRefusedError: the browser did not begin it, or it took too long.
    """
    begun = _opened(cookie, keys)
    if begun is None or not secrets.compare_digest(begun.state.encode(), state.encode()):
        raise IdentityRefusedError("state")
    if not _is_under_way(begun, now):
        raise IdentityRefusedError("login_expired")
    return begun


def superseded(cookies: Mapping[str, str], keys: KeyRing, now: datetime) -> tuple[str, ...]:
    """Return the names of the cookies that make room for one more login: those of no use, and the oldest ones."""
    opened = {name: _opened(cookie, keys) for name, cookie in cookies.items()}
    begun = {name: login.begun_at for name, login in opened.items() if login is not None and _is_under_way(login, now)}
    kept = sorted(begun, key=begun.__getitem__)[-(MOST - 1) :]
    return tuple(name for name in cookies if name not in kept)


def _opened(cookie: str | None, keys: KeyRing) -> ProviderLogin | None:
    try:
        return ProviderLogin(**json.loads(keys.open(from_base64url(cookie or ""), _PLACE)))
    except (KeyUnusableError, ValueError):
        return None


def _is_under_way(begun: ProviderLogin, now: datetime) -> bool:
    return 0 <= now.timestamp() - begun.begun_at < LONGEST.total_seconds()


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it must bring back."""

    address: str
    state: str = field(repr=False)
    """What the browser brings back with its cookie."""
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider lets the browser bring back."""

    code: str = field(default="", repr=False)
    state: str = field(default="", repr=False)
    error: str = ""
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A person who has logged in at the provider."""

    proven: Proven
    begun: ProviderLogin

"""Issuers of identities as the deployment names them: an OpenID Connect provider, and the gateway of the console."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry_service.domain.person import Role

DEFAULT_ROLE_CLAIM = "roles"
DEFAULT_HEADER = "X-Control-Core-Identity"
DEFAULT_SCOPES = ("openid", "profile")
LIFETIME, LONGEST_LIFETIME = timedelta(hours=1), timedelta(hours=24)
"""How long a token of a gateway may be valid, unless the deployment says more, and the most that it can say."""

RETURN_PATH = "/login/provider/return"
"""Where a provider sends people back, below the public URL."""


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """Which values of a claim give which role."""

    claim: str
    """A claim, or the path to one inside others: ``realm_access.roles``."""
    administrators: frozenset[str]
    viewers: frozenset[str]

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the role that claims give; None if they give none."""
        held = _texts(_claim(claims, self.claim))
        if held & self.administrators:
            return Role.ADMINISTRATOR
        return Role.VIEWER if held & self.viewers else None


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider, and this service as its client."""

    issuer: str
    client_id: str
    client_secret: SecretStr | None
    scopes: tuple[str, ...]
    roles: RoleMapping


@dataclass(frozen=True, slots=True)
class Gateway:
    """The console's gateway, which attaches a signed JWT to each request."""

    header: str
    jwks: str
    """The path of a file, or an https URL."""
    issuer: str
    audience: str
    roles: RoleMapping
    lifetime: timedelta = LIFETIME
    """From when a token was issued until it expires, at most: anyone who copies one can use it that long."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The ways in for people."""

    provider: Provider | None = None
    gateway: Gateway | None = None
    ca_file: Path | None = field(default=None, repr=False)
    """CAs that are trusted for both, in addition to the system's."""
    proxy_url: SecretStr | None = None
    """The proxy between this service and both; None if there is none."""
    local_login: bool = True


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """Return a claim by its name, or by its path; a name may contain dots, as URLs do."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _texts(value: object) -> frozenset[str]:
    values = value if isinstance(value, list) else [value]
    return frozenset(one for one in values if isinstance(one, str))

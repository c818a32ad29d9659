"""Reads who may log in and how: the provider, the gateway of the console, and the local login.

Settings that contradict each other are errors of the start: a door that the deployment did not mean to open, or to
close, must not be found out later.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol, TypeVar

from telemetry_service import setting_parsers as values
from telemetry_service.domain.issuers import (
    DEFAULT_HEADER,
    DEFAULT_ROLE_CLAIM,
    DEFAULT_SCOPES,
    LIFETIME,
    Doors,
    Gateway,
    Provider,
    RoleMapping,
)

T = TypeVar("T")

_PROVIDER, _GATEWAY = "TELEMETRY_OIDC_", "TELEMETRY_IDENTITY_"
_ROLES = ("ROLE_CLAIM", "ADMIN_ROLES", "VIEWER_ROLES")
_NEEDED = {_PROVIDER: ("ISSUER", "CLIENT_ID"), _GATEWAY: ("JWKS", "ISSUER", "AUDIENCE")}
_SETTINGS = {
    _PROVIDER: (*_NEEDED[_PROVIDER], "CLIENT_SECRET", "SCOPES", *_ROLES),
    _GATEWAY: (*_NEEDED[_GATEWAY], "HEADER", "LIFETIME_MINUTES", *_ROLES),
}

SECRETS = frozenset({"TELEMETRY_OIDC_CLIENT_SECRET", f"{_GATEWAY}PROXY_URL"})
PLAIN = (
    frozenset(f"{prefix}{name}" for prefix, names in _SETTINGS.items() for name in names)
    | {f"{_GATEWAY}CA_FILE", "TELEMETRY_LOCAL_LOGIN"}
) - SECRETS


class Source(Protocol):
    """Where the settings are read from, and where problems are collected."""

    problems: list[str]

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed variable, or ``default`` if it is not set or wrong."""

    def is_set(self, name: str) -> bool:
        """Whether the variable, or the one that names its file, is set."""


def read_doors(source: Source) -> Doors:
    """Return the ways in; what is wrong with them is added to the problems of ``source``."""
    before = len(source.problems)
    doors = Doors(
        provider=_provider(source),
        gateway=_gateway(source),
        ca_file=source.read(f"{_GATEWAY}CA_FILE", values.certificate_file, None),
        proxy_url=source.read(f"{_GATEWAY}PROXY_URL", values.proxy_url, None),
        local_login=source.read("TELEMETRY_LOCAL_LOGIN", values.boolean, default=True),
    )
    doors = replace(
        doors,
        provider=doors.provider if _is_named(source, _PROVIDER) else None,
        gateway=doors.gateway if _is_named(source, _GATEWAY) else None,
    )
    if len(source.problems) == before:  # What cannot be read is one problem, and not a second one for what it means.
        source.problems += [*_contradictions(source, doors)]
    return doors


def _provider(source: Source) -> Provider:
    scopes: tuple[str, ...] = source.read(f"{_PROVIDER}SCOPES", values.scopes, DEFAULT_SCOPES)
    return Provider(
        issuer=source.read(f"{_PROVIDER}ISSUER", values.issuer_url, ""),
        client_id=source.read(f"{_PROVIDER}CLIENT_ID", values.visible_text, ""),
        client_secret=source.read(f"{_PROVIDER}CLIENT_SECRET", values.secret_text, None),
        scopes=scopes,
        roles=_roles(source, _PROVIDER),
    )


def _gateway(source: Source) -> Gateway:
    return Gateway(
        header=source.read(f"{_GATEWAY}HEADER", values.header_name, DEFAULT_HEADER),
        jwks=source.read(f"{_GATEWAY}JWKS", values.jwks_place, ""),
        issuer=source.read(f"{_GATEWAY}ISSUER", values.visible_text, ""),
        audience=source.read(f"{_GATEWAY}AUDIENCE", values.visible_text, ""),
        roles=_roles(source, _GATEWAY),
        lifetime=source.read(f"{_GATEWAY}LIFETIME_MINUTES", values.token_lifetime, LIFETIME),
    )


def _roles(source: Source, prefix: str) -> RoleMapping:
    administrators: frozenset[str] = source.read(f"{prefix}ADMIN_ROLES", values.names, frozenset())
    viewers: frozenset[str] = source.read(f"{prefix}VIEWER_ROLES", values.names, frozenset())
    claim = source.read(f"{prefix}ROLE_CLAIM", values.visible_text, DEFAULT_ROLE_CLAIM)
    return RoleMapping(claim, administrators, viewers)


def _is_named(source: Source, prefix: str) -> bool:
    """Whether everything that a way in cannot do without is set."""
    return all(source.is_set(f"{prefix}{name}") for name in _NEEDED[prefix])


def _contradictions(source: Source, doors: Doors) -> Iterator[str]:
    for prefix, door in ((_PROVIDER, doors.provider), (_GATEWAY, doors.gateway)):
        yield from _incomplete(source, prefix)
        if door is not None:
            yield from _role_problems(prefix, door.roles)
    if doors.provider is not None and not source.is_set("TELEMETRY_PUBLIC_URL"):
        yield "TELEMETRY_OIDC_ISSUER needs TELEMETRY_PUBLIC_URL: the provider sends people back there."
    asked = doors.provider is not None or (doors.gateway is not None and doors.gateway.jwks.startswith("https://"))
    for name, value in (("CA_FILE", doors.ca_file), ("PROXY_URL", doors.proxy_url)):
        if value and not asked:
            yield f"TELEMETRY_IDENTITY_{name} is for a provider or an https URL of keys, and neither is set."
    if not (doors.local_login or doors.provider or doors.gateway):
        yield "TELEMETRY_LOCAL_LOGIN=false needs TELEMETRY_OIDC_ISSUER or TELEMETRY_IDENTITY_JWKS: no one could log in."
    if not doors.local_login and source.is_set("TELEMETRY_ADMIN_PASSWORD"):
        yield "TELEMETRY_ADMIN_PASSWORD is for the local login, which TELEMETRY_LOCAL_LOGIN closes."


def _incomplete(source: Source, prefix: str) -> Iterator[str]:
    given = [f"{prefix}{name}" for name in _SETTINGS[prefix] if source.is_set(f"{prefix}{name}")]
    missing = [f"{prefix}{name}" for name in _NEEDED[prefix] if not source.is_set(f"{prefix}{name}")]
    if given and missing:
        yield f"{given[0]} needs {' and '.join(missing)}."


def _role_problems(prefix: str, roles: RoleMapping) -> Iterator[str]:
    if not (roles.administrators or roles.viewers):
        yield f"{prefix}ISSUER needs {prefix}ADMIN_ROLES or {prefix}VIEWER_ROLES: no one would have a role."
    if roles.administrators & roles.viewers:
        yield f"{prefix}ADMIN_ROLES and {prefix}VIEWER_ROLES name the same role."

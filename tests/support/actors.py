"""Actors for tests that need one and do not care which."""

from telemetry_service.domain.actor import Actor, ActorKind, stranger
from telemetry_service.domain.person import Person, Role
from telemetry_service.identity.accounts import administrator

ADMIN = administrator("192.0.2.7")
STRANGER = stranger("192.0.2.8")
OPS = Actor(ActorKind.TOKEN, "opstokenid22", "ops", "192.0.2.9")
CLI = Actor(ActorKind.COMMAND, "operator")

ISSUER = "https://127.0.0.1:1"
"""Of a provider where no one answers."""
PROVIDED = {
    "TELEMETRY_PUBLIC_URL": "http://127.0.0.1",
    "TELEMETRY_OIDC_ISSUER": ISSUER,
    "TELEMETRY_OIDC_CLIENT_ID": "telemetry",
    "TELEMETRY_OIDC_ADMIN_ROLES": "admin",
    "TELEMETRY_OIDC_VIEWER_ROLES": "viewer",
}
"""The settings of a service that has this provider, so that sessions of its people are valid."""
VIEWER = Person(ISSUER, "4711", "Vera Viewer", Role.VIEWER)
ADMINISTRATOR = Person(ISSUER, "4712", "Ada Admin", Role.ADMINISTRATOR)

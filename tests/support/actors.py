"""Actors for tests that need one and do not care which."""

from telemetry_service.domain.actor import Actor, ActorKind, stranger
from telemetry_service.identity.accounts import administrator

ADMIN = administrator("192.0.2.7")
STRANGER = stranger("192.0.2.8")
OPS = Actor(ActorKind.TOKEN, "opstokenid22", "ops", "192.0.2.9")
CLI = Actor(ActorKind.COMMAND, "operator")

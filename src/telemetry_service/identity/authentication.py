"""All of ``identity/`` in one object, for the web and the command line."""

from dataclasses import dataclass

from telemetry_service.domain.clock import Clock
from telemetry_service.identity.accounts import ADMINISTRATOR, Accounts
from telemetry_service.identity.devices import Devices
from telemetry_service.identity.passwords import HashCost, Passwords
from telemetry_service.identity.refusals import Refusals
from telemetry_service.identity.sessions import Sessions
from telemetry_service.identity.throttle import Limits, Throttle
from telemetry_service.identity.tokens import ServiceTokens
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class Authentication:
    """Accounts, sessions and tokens, what callers were refused, and what slows them down."""

    accounts: Accounts
    sessions: Sessions
    devices: Devices
    tokens: ServiceTokens
    refusals: Refusals
    throttle: Throttle


def make_authentication(
    database: Database,
    clock: Clock,
    keys: KeyRing,
    cost: HashCost | None = None,
    *,
    limits: Limits | None = None,
    bootstrap_token: str | None = None,
) -> Authentication:
    """Put the parts of authentication together. ``keys`` are those of ``CREDENTIAL_ENCRYPTION_KEY``."""
    refusals = Refusals(database, clock)
    throttle = Throttle(database, clock, keys, limits)
    devices = Devices(keys, ADMINISTRATOR)
    accounts = Accounts(database, clock, Passwords(cost), refusals, throttle)
    sessions = Sessions(database, clock, keys, accounts, devices)
    tokens = ServiceTokens(database, clock, keys, bootstrap_token)
    return Authentication(accounts, sessions, devices, tokens, refusals, throttle)

"""All of ``identity/`` in one object, for the web and the command line."""

from dataclasses import dataclass

from telemetry_service.domain.clock import Clock
from telemetry_service.identity.accounts import Accounts
from telemetry_service.identity.passwords import HashCost, Passwords
from telemetry_service.identity.sessions import Sessions
from telemetry_service.identity.tokens import ServiceTokens
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class Authentication:
    """Accounts, sessions and tokens."""

    accounts: Accounts
    sessions: Sessions
    tokens: ServiceTokens


def make_authentication(
    database: Database, clock: Clock, keys: KeyRing, cost: HashCost | None = None
) -> Authentication:
    """Put the parts of authentication together. ``keys`` are those of ``CREDENTIAL_ENCRYPTION_KEY``."""
    accounts = Accounts(database, clock, Passwords(cost))
    return Authentication(accounts, Sessions(database, clock, keys, accounts), ServiceTokens(database, clock, keys))

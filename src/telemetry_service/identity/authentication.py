"""All of ``identity/`` in one object, for the web and the command line."""

from dataclasses import dataclass

from telemetry_service.domain.clock import Clock
from telemetry_service.identity.accounts import Accounts
from telemetry_service.identity.passwords import HashCost, Passwords
from telemetry_service.identity.refusals import Refusals
from telemetry_service.identity.sessions import Sessions
from telemetry_service.identity.tokens import ServiceTokens
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class Authentication:
    """Accounts, sessions and tokens, and what callers were refused."""

    accounts: Accounts
    sessions: Sessions
    tokens: ServiceTokens
    refusals: Refusals


def make_authentication(
    database: Database, clock: Clock, keys: KeyRing, cost: HashCost | None = None
) -> Authentication:
    """Put the parts of authentication together. ``keys`` are those of ``CREDENTIAL_ENCRYPTION_KEY``."""
    refusals = Refusals(database, clock)
    accounts = Accounts(database, clock, Passwords(cost), refusals)
    sessions, tokens = Sessions(database, clock, keys, accounts), ServiceTokens(database, clock, keys)
    return Authentication(accounts, sessions, tokens, refusals)

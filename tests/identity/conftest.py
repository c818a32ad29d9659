"""Authentication on a real database, with a clock that the test moves and cheap hashes."""

from collections.abc import Iterator

import pytest

from telemetry_service.domain.errors import AccessDeniedError
from telemetry_service.domain.issuers import Doors, Provider, RoleMapping
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.passwords import HashCost
from telemetry_service.identity.sessions import OpenedSession
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from tests.support.actors import CLI, ISSUER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import signed_database

KEY, OLD_KEY = b"k" * 32, b"o" * 32
CHEAP = HashCost(rounds=1, memory_kib=8, lanes=1)
PASSWORD = "correct horse battery"
ROLES = RoleMapping("roles", frozenset({"admin"}), frozenset({"viewer"}))
DOORS = Doors(provider=Provider(ISSUER, "telemetry", None, ("openid",), ROLES))
"""A deployment with a provider and the local login."""


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = signed_database(database_url)
    yield database
    database.close()


@pytest.fixture
def authentication(database: Database, clock: FrozenClock) -> Authentication:
    return make_authentication(database, clock, KeyRing((KEY,)), CHEAP, doors=DOORS)


@pytest.fixture
def administered(authentication: Authentication) -> Authentication:
    """Authentication whose administrator has a password."""
    authentication.accounts.set_password(PASSWORD, CLI)
    return authentication


def is_open(authentication: Authentication, opened: OpenedSession) -> bool:
    """Whether a session goes on."""
    try:
        authentication.sessions.find(opened.token)
    except AccessDeniedError:
        return False
    return True

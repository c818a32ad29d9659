"""All of ``identity/`` in one object, for the web and the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.issuers import RETURN_PATH, Doors, Gateway
from telemetry_service.domain.keyed_digest import KeyUse, key_use
from telemetry_service.identity.accounts import ADMINISTRATOR, Accounts
from telemetry_service.identity.devices import Devices
from telemetry_service.identity.open_doors import OpenDoors
from telemetry_service.identity.others_sessions import OthersSessions
from telemetry_service.identity.own_sessions import OwnSessions
from telemetry_service.identity.passwords import HashCost, Passwords
from telemetry_service.identity.refusals import Refusals
from telemetry_service.identity.sessions import Sessions
from telemetry_service.identity.signed_texts import SignedTexts
from telemetry_service.identity.throttle import Limits, Throttle
from telemetry_service.identity.tokens import ServiceTokens
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database, Transaction

if TYPE_CHECKING:
    from telemetry_service.identity.gateway import GatewayIdentities
    from telemetry_service.identity.issuer_client import IssuerClient
    from telemetry_service.identity.provider import OpenIdProvider

_FILE_FRESH = timedelta(seconds=5)
"""A file of keys is read again after this: it costs nothing."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Accounts, sessions and tokens, what callers were refused, what slows them down, and the other ways in."""

    accounts: Accounts
    sessions: Sessions
    own_sessions: OwnSessions
    others_sessions: OthersSessions
    unsaved_forms: SignedTexts
    """Signs what a browser keeps of a form whose session has ended."""
    devices: Devices
    tokens: ServiceTokens
    refusals: Refusals
    throttle: Throttle
    keys: KeyRing
    """Those of ``CREDENTIAL_ENCRYPTION_KEY``."""
    gateway: "GatewayIdentities | None" = None
    """None unless the console's gateway says who is logged in."""
    provider: "OpenIdProvider | None" = None
    """None unless people can log in at a provider."""

    @property
    def has_other_ways(self) -> bool:
        """Whether people can get in without the local account."""
        return self.gateway is not None or self.provider is not None

    def key_use(self, tx: Transaction, now: datetime) -> KeyUse:
        """Return how many sessions and service tokens depend on which of the keys."""
        counts = {"sessions": tx.identity.count_session_keys(now), "service tokens": tx.identity.count_token_keys(now)}
        return key_use(counts, self.keys.ids)


def make_authentication(  # noqa: PLR0913 - each part of the deployment that it depends on
    database: Database,
    clock: Clock,
    keys: KeyRing,
    cost: HashCost | None = None,
    *,
    limits: Limits | None = None,
    bootstrap_token: str | None = None,
    doors: Doors | None = None,
    public_url: str | None = None,
) -> Authentication:
    """Put the parts of authentication together. ``keys`` are those of ``CREDENTIAL_ENCRYPTION_KEY``.

    Raises:
        SettingsError: the CA file for issuers cannot be read.
    """
    doors = doors or Doors()
    refusals = Refusals(database, clock)
    throttle = Throttle(database, clock, keys, limits)
    devices = Devices(keys, ADMINISTRATOR)
    open_ = OpenDoors(doors.local_login, doors.provider.issuer if doors.provider else None)
    accounts = Accounts(database, clock, Passwords(cost), refusals, throttle, open_)
    sessions = Sessions(database, clock, keys, accounts, devices, open_)
    own_sessions, others_sessions = OwnSessions(database, clock, open_), OthersSessions(database, clock, open_)
    unsaved_forms = SignedTexts(keys, "unsaved-form")
    tokens = ServiceTokens(database, clock, keys, bootstrap_token)
    client = _client_of(doors)
    gateway = _gateway(doors.gateway, client, clock, keys) if doors.gateway else None
    provider = _provider(doors, public_url, client, keys, clock)
    people = (accounts, sessions, own_sessions, others_sessions, unsaved_forms, devices)
    return Authentication(*people, tokens, refusals, throttle, keys, gateway, provider)


# What the other ways in need is loaded only where there are any: most commands and many deployments have none.


def _client_of(doors: Doors) -> Callable[[], "IssuerClient"]:
    @cache
    def client() -> "IssuerClient":
        from telemetry_service.identity.issuer_client import IssuerClient

        return IssuerClient(doors.ca_file, doors.proxy_url)

    return client


def _provider(
    doors: Doors, public_url: str | None, client: Callable[[], "IssuerClient"], keys: KeyRing, clock: Clock
) -> "OpenIdProvider | None":
    if doors.provider is None or public_url is None:
        return None
    from telemetry_service.identity.provider import OpenIdProvider

    client()  # What is wrong with its files is an error of the start.
    return OpenIdProvider(doors.provider, public_url + RETURN_PATH, client, keys, clock)


def _gateway(
    gateway: Gateway, client: Callable[[], "IssuerClient"], clock: Clock, keys: KeyRing
) -> "GatewayIdentities":
    from telemetry_service.identity.gateway import GatewayIdentities
    from telemetry_service.identity.issuer_client import reader_of
    from telemetry_service.identity.kept import FRESH
    from telemetry_service.identity.signing_keys import SigningKeys

    fresh = FRESH if gateway.jwks.startswith("https://") else _FILE_FRESH
    signing_keys = SigningKeys("gateway", reader_of(gateway.jwks, client), clock, fresh)
    return GatewayIdentities(gateway, signing_keys, keys, clock)

"""The console's own word: its gateway attaches a short-lived signed JWT to each request.

There is no session: each request stands for itself. The CSRF token is a keyed digest of issuer, subject and hour, so it
needs no storage either, and it counts until the end of the next hour.
"""

from datetime import datetime, timedelta

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import IdentityLastsTooLongError, NoRoleError
from telemetry_service.domain.issuers import Gateway
from telemetry_service.domain.person import Person
from telemetry_service.identity.issued_token import (
    Expected,
    authenticated_at,
    claims_of,
    key_id_of,
    lifetime_of,
    person_of,
)
from telemetry_service.identity.login import Login
from telemetry_service.identity.signing_keys import SigningKeys
from telemetry_service.sealing.keyring import KeyRing

_CSRF = "gateway-csrf"
_HOUR = timedelta(hours=1)


class GatewayIdentities:
    """Verifies what the gateway says. Threads may share it."""

    def __init__(self, gateway: Gateway, signing_keys: SigningKeys, keys: KeyRing, clock: Clock) -> None:
        """Verify with ``signing_keys``; make CSRF tokens under ``keys``."""
        self.header = gateway.header
        self._gateway = gateway
        self._expected = Expected(gateway.issuer, gateway.audience)
        self._signing_keys = signing_keys
        self._keys = keys
        self._clock = clock

    def check(self) -> None:
        """Read the keys of the gateway.

        Raises:
            IssuerUnavailableError: they cannot be read now.
        """
        self._signing_keys.check()

    def is_at_hand(self, token: str) -> bool:
        """Whether a token can be verified, or refused, without waiting for keys."""
        kid = key_id_of(token)
        return kid is None or self._signing_keys.has(kid)

    def find(self, token: str) -> Login:
        """Return who is logged in.

        Raises:
            IdentityRefusedError: the token is not accepted; with the reason.
            IdentityLastsTooLongError: it counts for longer than the deployment allows.
            NoRoleError: the person has no role here.
            IssuerUnavailableError: the gateway's keys cannot be read.
        """
        now = self._clock.now()
        claims = claims_of(token, self._signing_keys.find, self._expected, now)
        if lifetime_of(claims, now) > self._gateway.lifetime.total_seconds():
            raise IdentityLastsTooLongError
        role = self._gateway.roles.role_of(claims)
        if role is None:
            raise NoRoleError
        person = person_of(self._gateway.issuer, claims, role)
        csrf_token = to_base64url(self._keys.digest(_of_hour(person, now), _CSRF)).decode()
        return Login(person=person, authenticated_at=authenticated_at(claims, now), csrf_token=csrf_token)

    def is_proof(self, login: Login, csrf_token: str) -> bool:
        """Whether ``csrf_token`` was made for this person in this hour or in the one before."""
        now = self._clock.now()
        try:
            digest = from_base64url(csrf_token)
        except ValueError:
            return False
        hours = (_of_hour(login.person, now), _of_hour(login.person, now - _HOUR))
        return any(self._keys.matches(digest, hour, _CSRF) for hour in hours)


def _of_hour(person: Person, moment: datetime) -> bytes:
    return f"{person.issuer}|{person.subject}|{moment:%Y-%m-%dT%H}".encode()

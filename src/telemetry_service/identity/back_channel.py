"""The provider's word that someone has logged out there (OpenID Connect Back-Channel Logout 1.0)."""

from datetime import datetime

from telemetry_service.domain.errors import IdentityRefusedError
from telemetry_service.identity.issued_token import LEEWAY, Claims, claims_of, moment_of
from telemetry_service.identity.provider import OpenIdProvider
from telemetry_service.identity.sessions import LoggedOut

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def read_logout(provider: OpenIdProvider, token: str, now: datetime) -> LoggedOut:
    """Return who has logged out, from a logout token.

    Raises:
        IdentityRefusedError: it is not one, or not from the provider for this service now.
        IssuerUnavailableError: the provider's keys cannot be read.
    """
    expected = provider.expected("iat", "exp", "jti", "events")
    claims = claims_of(token, provider.signing_keys.find, expected, now)
    events = claims["events"]
    # An ID token, which many see, must not end sessions: it has a nonce and no event.
    if "nonce" in claims or not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise IdentityRefusedError("not_a_logout")
    sid, subject, token_id = _text(claims, "sid"), _text(claims, "sub"), _text(claims, "jti")
    if not token_id:
        raise IdentityRefusedError("claim_invalid")
    if sid is None and subject is None:
        raise IdentityRefusedError("subject")
    issued_at = moment_of(claims["iat"])
    if issued_at is None:
        raise IdentityRefusedError("claim_invalid")
    return LoggedOut(expected.issuer, sid, subject, issued_at + LEEWAY, token_id)


def _text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None

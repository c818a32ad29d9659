"""Signed tokens of issuers (RFC 7519): the signature first, then whom and when a token is for.

Only asymmetric algorithms are accepted: with ``none``, or with a public key taken for a secret, anyone could sign.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import (
    ClaimError,
    ExpiredTokenError,
    InvalidClaimError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)

from telemetry_service.domain.errors import IdentityRefusedError
from telemetry_service.domain.person import Person, Role
from telemetry_service.identity.signing_keys import PublicKey

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
LEEWAY = timedelta(seconds=60)
"""How far the issuer's clock may differ from this one."""

_LONGEST_TOKEN = 16 * 1024
_LONGEST_SUBJECT, _LONGEST_NAME = 255, 200
_NAMES = ("name", "preferred_username", "email")
_TODAY = {"EdDSA": "Ed25519"}
"""RFC 9864 renamed it; many libraries keep the name of RFC 8037, which stands for a second curve as well."""


class _Registry(jws.JWSRegistry):
    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - a class that the library keeps to itself
        return super().get_alg(_TODAY.get(name, name))


# Unknown members of the header are ignored, as RFC 7515 demands; those that it calls critical are refused.
_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)
_REASONS = {"iss": "issuer", "aud": "audience", "exp": "expired", "nbf": "not_yet_valid", "iat": "issued_later"}

Claims = Mapping[str, Any]
KeyOf = Callable[[str], PublicKey | None]


@dataclass(frozen=True, slots=True)
class Expected:
    """Whom a token must be from and for."""

    issuer: str
    audience: str
    essential: tuple[str, ...] = field(default=("sub", "exp"))


def key_id_of(token: str) -> str | None:
    """Return the key ID that an unverified token names; None if it is no token."""
    try:
        return _key_id(token)
    except IdentityRefusedError:
        return None


def claims_of(token: str, key_of: KeyOf, expected: Expected, now: datetime) -> Claims:
    """Return the claims of a token that is signed, valid now, and meant for this service.

    Raises:
        IdentityRefusedError: it is not; with the reason.
        IssuerUnavailableError: ``key_of`` cannot say which key it is.
    """
    key = key_of(_key_id(token))
    if key is None:
        raise IdentityRefusedError("key_unknown")
    claims = _signed_claims(token, key)
    _check(claims, expected, now)
    return claims


def _key_id(token: str) -> str:
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        raise IdentityRefusedError("malformed")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError):
        raise IdentityRefusedError("malformed") from None
    if header.get("alg") not in ALGORITHMS:
        raise IdentityRefusedError("algorithm")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise IdentityRefusedError("key_unknown")
    return kid


def _signed_claims(token: str, key: PublicKey) -> Claims:
    try:
        verified = jwt.decode(token, key, ALGORITHMS, _REGISTRY)
    except UnsupportedAlgorithmError:
        raise IdentityRefusedError("algorithm") from None
    except (JoseError, ValueError, TypeError):
        raise IdentityRefusedError("signature") from None
    if key.alg not in {None, verified.header["alg"]}:
        raise IdentityRefusedError("algorithm")
    return verified.claims


def _check(claims: Claims, expected: Expected, now: datetime) -> None:
    essential: dict[str, jwt.ClaimsOption] = {name: {"essential": True} for name in expected.essential}
    registry = jwt.JWTClaimsRegistry(
        int(now.timestamp()),
        int(LEEWAY.total_seconds()),
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.audience},
        **essential,
    )
    try:
        registry.validate(dict(claims))
    except MissingClaimError:
        raise IdentityRefusedError("claim_missing") from None
    except (ExpiredTokenError, InvalidClaimError, ClaimError) as error:
        raise IdentityRefusedError(_REASONS.get(error.claim, "claim_invalid")) from None


def person_of(issuer: str, claims: Claims, role: Role) -> Person:
    """Return the person that claims are about.

    Raises:
        IdentityRefusedError: the subject is not one.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise IdentityRefusedError("subject")
    return Person(issuer, subject, _name(claims), role)


def lifetime_of(claims: Claims, now: datetime) -> float:
    """Return for how many seconds a token that was checked counts: from when it was issued, or else from now.

    What is "now" for the issuer may be later.
    """
    begins = claims.get("iat", claims.get("nbf", (now + LEEWAY).timestamp()))
    try:
        return float(claims["exp"]) - float(begins)
    except OverflowError:
        return math.inf


def authenticated_at(claims: Claims, now: datetime) -> datetime | None:
    """Return when the person proved who it is, as far as the issuer says so."""
    moment = moment_of(claims.get("auth_time"))
    return min(moment, now) if moment is not None and moment <= now + LEEWAY else None


def moment_of(said: object) -> datetime | None:
    """Return the moment that a claim names; None if it names none that exists."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        return datetime.fromtimestamp(said, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _name(claims: Claims) -> str | None:
    found = (claims.get(claim) for claim in _NAMES)
    usable = (name.strip() for name in found if isinstance(name, str) and name.strip() and name.isprintable())
    return next((name[:_LONGEST_NAME] for name in usable), None)

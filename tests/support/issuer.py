"""An issuer whose keys the test holds: it signs whatever the test wants, right or wrong."""

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from telemetry_service.domain.base64url import to_base64url

AUDIENCE = "telemetry"
GATEWAY = "https://console.example"
ROLES = {"administrator": "telemetry-admin", "viewer": "telemetry-viewer"}


def ec_key(kid: str) -> ECKey:
    """Return a new key for ES256."""
    return ECKey.generate_key("P-256", {"kid": kid})


def rsa_key(kid: str, bits: int = 2048) -> RSAKey:
    """Return a new key for RS256; it takes a while to make."""
    return RSAKey.generate_key(bits, {"kid": kid})


def public_set(*keys: Key) -> bytes:
    """Return the JWK set of public keys."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def sign(key: Key, claims: dict[str, Any], alg: str = "ES256", **header: Any) -> str:  # noqa: ANN401 - members of JSON
    """Sign claims. The library's own doubts about an algorithm do not count here."""
    members = {"alg": alg, "kid": key.kid, **header}
    given = {name: value for name, value in members.items() if value is not None}
    return jwt.encode(given, claims, key, registry=JWSRegistry(algorithms=[alg], strict_check_header=False))


def sign_raw(key: OKPKey, claims: dict[str, Any], alg: str) -> str:
    """Sign with a curve under any name."""
    private = key.private_key
    assert isinstance(private, Ed25519PrivateKey | Ed448PrivateKey)
    signed = b".".join(to_base64url(json.dumps(part).encode()) for part in ({"alg": alg, "kid": key.kid}, claims))
    return b".".join((signed, to_base64url(private.sign(signed)))).decode()


def sign_with_the_public_key(key: RSAKey, claims: dict[str, Any]) -> str:
    """Sign as HS256 with what a verifier that mixes up algorithms takes for a shared secret: the public key as PEM."""
    header = {"alg": "HS256", "kid": key.kid}
    signed = b".".join(to_base64url(json.dumps(part).encode()) for part in (header, claims))
    return b".".join((signed, to_base64url(hmac.digest(key.as_pem(private=False), signed, "sha256")))).decode()


@dataclass
class GatewayOfTest:
    """The gateway of a console, with its JWK set in a file."""

    folder: Path
    key: ECKey = field(default_factory=lambda: ec_key("first"))

    def __post_init__(self) -> None:
        self.publish(self.key)

    @property
    def file(self) -> Path:
        """The JWK set."""
        return self.folder / "jwks.json"

    def publish(self, *keys: Key) -> None:
        """Write the JWK set."""
        self.file.write_bytes(public_set(*keys))

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a deployment behind this gateway."""
        return {
            "TELEMETRY_IDENTITY_JWKS": str(self.file),
            "TELEMETRY_IDENTITY_ISSUER": GATEWAY,
            "TELEMETRY_IDENTITY_AUDIENCE": AUDIENCE,
            "TELEMETRY_IDENTITY_ADMIN_ROLES": ROLES["administrator"],
            "TELEMETRY_IDENTITY_VIEWER_ROLES": ROLES["viewer"],
        }

    def claims(self, now: datetime, role: str = "administrator", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - members of JSON
        """Return what the gateway says of a person; a change to None leaves a claim out."""
        at = int(now.timestamp())
        usual = {"iss": GATEWAY, "aud": AUDIENCE, "sub": "4711", "name": "Ada", "roles": [ROLES[role]]}
        timed = {"iat": at, "nbf": at, "exp": at + 300}
        return {name: value for name, value in (usual | timed | changes).items() if value is not None}

    def token(self, now: datetime, role: str = "administrator", **changes: Any) -> str:  # noqa: ANN401 - members of JSON
        """Return the same, signed."""
        return sign(self.key, self.claims(now, role, **changes))

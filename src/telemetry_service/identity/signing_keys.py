"""The public keys of an issuer."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from telemetry_service.domain.clock import Clock
from telemetry_service.identity.issuer_json import object_in
from telemetry_service.identity.kept import FRESH, Kept

_RSA_BITS = 2048
_MOST_KEYS = 100

PublicKey = RSAKey | ECKey | OKPKey


def parse_keys(content: bytes) -> Mapping[str, PublicKey]:
    """Return the usable keys of a JWK set by their key IDs; keys for other purposes are left out.

    Raises:
        ValueError: it is not a JWK set.
    """
    listed = object_in(content).get("keys")
    if not isinstance(listed, list):
        msg = "not a JWK set"
        raise ValueError(msg)  # noqa: TRY004 - a wrong document, as json.loads reports it
    found = ((entry.get("kid"), _key(entry)) for entry in listed[:_MOST_KEYS] if isinstance(entry, dict))
    return {kid: key for kid, key in found if isinstance(kid, str) and key is not None}


def _key(entry: dict[str, object]) -> PublicKey | None:
    if entry.get("use", "sig") != "sig":
        return None
    public: dict[str, str | list[str]] = {name: value for name, value in entry.items() if isinstance(value, str)}
    try:
        key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError):
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= _RSA_BITS else None
    # A symmetric key verifies nothing here: anyone who can read it could sign with it.
    return key if isinstance(key, ECKey | OKPKey) else None


class SigningKeys:
    """The keys of one issuer. Threads may share them."""

    def __init__(self, issuer: str, read: Callable[[], bytes], clock: Clock, fresh: timedelta = FRESH) -> None:
        """Read nothing yet; see ``Kept``."""
        self._kept = Kept(issuer, lambda: parse_keys(read()), clock, fresh)

    def has(self, kid: str) -> bool:
        """Whether a key is known without reading the keys."""
        return kid in (self._kept.at_hand or {})

    def check(self) -> None:
        """Read the keys.

        Raises:
            IssuerUnavailableError: they are not known and cannot be read now.
        """
        self._kept.get()

    def find(self, kid: str) -> PublicKey | None:
        """Return a key, or None if the issuer has none with this ID. It may read the keys.

        Raises:
            IssuerUnavailableError: the keys are not known and cannot be read now.
        """
        return self._kept.get(lambda keys: kid in keys).get(kid)

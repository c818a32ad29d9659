"""Authenticates a request: the headers of the protocol, the API key, every listed signature, the timestamp."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.datastructures import Headers

from telemetry_service.reference.refusals import Reason, RefusalError

TOLERANCE_SECONDS = 300
"""How far a sender's clock may be off: five minutes, as in Standard Webhooks."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_LEDGER = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key that the License Server knows, and its customer."""

    key_id: str
    customer_id: str
    secret: str

    def __repr__(self) -> str:
        """Show the key ID, never the key."""
        return f"ApiKey({self.key_id})"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """What is known once all signatures are verified."""

    transmission_id: UUID
    timestamp: int
    """Unix seconds of the attempt."""
    key: ApiKey
    content_type: str


def authenticate(
    headers: Headers, body: bytes, find_key: Callable[[str], ApiKey | None], now: float | None
) -> Authenticated:
    """Return who sent ``body``; ``now`` is the time here in Unix seconds, or None if a message may have any age.

    The signature is checked before the timestamp and before the body is read, so that a stranger learns nothing else.

    Raises:
        RefusalError: a header is malformed, the key is unknown, a signature is wrong or the timestamp is stale.
    """
    transmission_id = _one(headers, "X-Telemetry-Id", _ID)
    timestamp = _one(headers, "X-Telemetry-Timestamp", _TIMESTAMP)
    key = find_key(_one(headers, "X-Telemetry-Key-Id", _KEY_ID))
    if key is None:
        raise RefusalError(Reason.KEY_UNKNOWN)
    _check_signatures(_one(headers, "X-Telemetry-Signature"), f"{transmission_id}.{timestamp}.".encode() + body, key)
    if now is not None and abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise RefusalError(Reason.TIMESTAMP_OUT_OF_TOLERANCE)
    return Authenticated(UUID(transmission_id), int(timestamp), key, _one(headers, "Content-Type"))


def ledger_of(headers: Headers) -> str | None:
    """Return what the sender tells of its ledger: opaque, and optional.

    Raises:
        RefusalError: the header occurs twice, or is not a digest.
    """
    return _one(headers, "X-Telemetry-Ledger", _LEDGER) if "X-Telemetry-Ledger" in headers else None


def _one(headers: Headers, name: str, form: re.Pattern[str] | None = None) -> str:
    """Return a header that must occur exactly once, and match its form."""
    values = headers.getlist(name)
    if len(values) != 1 or (form is not None and not form.fullmatch(values[0])):
        raise RefusalError(Reason.HEADER_MALFORMED, header=name)
    return values[0]


def _check_signatures(listed: str, signed: bytes, key: ApiKey) -> None:
    """Require each signature in the list to be valid.

    The key ID names one key, so a second signature must be valid too. The text is compared rather than the decoded
    bytes, because base64 has several texts for some bytes. All of them are compared, so that the time taken does not
    show which one failed.
    """
    digest = hmac.new(key.secret.encode(), signed, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    verdicts = [hmac.compare_digest(expected, given.encode("latin-1")) for given in listed.split(" ")]
    if not all(verdicts):
        raise RefusalError(Reason.SIGNATURE_INVALID)

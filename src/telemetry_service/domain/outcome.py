"""The outcome of one attempt to reach the License Server, as a closed type.

An outcome is ``Accepted``, ``Retrying``, ``Held`` or ``Rejected``. All but ``Accepted`` have a ``Cause`` that explains
them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from telemetry_service.domain.causes import Cause


@dataclass(frozen=True, slots=True)
class LicenseUpdate:
    """The license posture in a response."""

    tier: str
    license_status: str
    expires_at: datetime | None


class Note(StrEnum):
    """What an acceptance contained that was not used as it was. It is still an acceptance; the token is logged."""

    RECEIPT_DROPPED = "receipt_dropped"
    """The receipt is not a JWS in compact serialization."""
    RECEIPT_HEADER_NOT_ALLOWED = "receipt_header_not_allowed"
    """The receipt's header has a member, or a value, that the protocol does not list, such as ``jku``."""
    RECEIPT_CLAIM_NOT_ALLOWED = "receipt_claim_not_allowed"
    """The receipt has a claim, or a value, that the protocol does not list, such as ``iss``."""
    LICENSE_DROPPED = "license_dropped"
    """The license cannot be read."""
    LICENSE_VALUE_UNKNOWN = "license_value_unknown"
    """A tier or a status that this version does not know; it becomes *unknown*."""
    LICENSE_UNSIGNED = "license_unsigned"
    """A license outside the receipt, while a key is pinned and only signed content is trusted."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The License Server has the payload. ``receipt_verified`` is None where no key is pinned."""

    response_code: int
    duplicate: bool
    receipt: str | None = None
    receipt_verified: bool | None = None
    license: LicenseUpdate | None = None
    license_signed_at: datetime | None = None
    """When the License Server signed that; None if it is as of now."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrying:
    """A passing failure: back off and try again. ``retry_after`` is what the License Server asked for."""

    cause: Cause
    response_code: int | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Someone has to change something first, such as the API key or the connection."""

    cause: Cause
    response_code: int | None = None
    receipt: str | None = None
    """What came in place of a valid receipt; kept in the ledger."""
    customer_refused: bool = False
    """Whether the License Server itself said that the payload's customer does not own the API key."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Sending it again soon would not help; it waits for the next tick or for *Retry*."""

    cause: Cause
    response_code: int | None = None


Outcome = Accepted | Retrying | Held | Rejected
Failure = Retrying | Held | Rejected

CUSTOMER_MISMATCH = "customer-mismatch"
"""The License Server's code for a payload whose customer does not own the API key."""

_NEVER_WRITTEN = frozenset(
    {
        Cause.NAME_NOT_RESOLVED,
        Cause.CONNECTION_REFUSED,
        Cause.CONNECTION_FAILED,
        Cause.PROXY_NOT_RESOLVED,
        Cause.PROXY_UNREACHABLE,
        Cause.PROXY_LOGIN_REFUSED,
        Cause.PROXY_FAILED,
        Cause.TLS_FAILED,
        Cause.TLS_VERSION,
        Cause.CERTIFICATE_EXPIRED,
        Cause.CERTIFICATE_WRONG_HOST,
        Cause.CERTIFICATE_UNTRUSTED,
        Cause.PAYLOAD_INVALID,
        Cause.PAYLOAD_CHANGED,
        Cause.FROM_BACKUP,
    }
)
"""Ends an attempt before any byte of the request is written."""

_RESPONDED = frozenset({Cause.RESPONSE_MALFORMED, Cause.RESPONSE_TOO_LARGE})
"""There was some response, so the request was written."""

_EXPLICIT_REFUSALS = frozenset({400, 401, 403, 413, 415, 422})
"""Status codes that say that the payload was not taken."""


def request_written(cause: Cause | None, response_code: int | None) -> bool | None:
    """Return whether the request of an attempt was written; None if its cause does not show it.

    A connection that was lost, or a deadline that passed, can end an attempt before, while and after it is written.
    """
    if response_code is not None or cause in _RESPONDED:
        return True
    return False if cause in _NEVER_WRITTEN else None


def may_have_arrived(cause: Cause | None, response_code: int | None) -> bool:
    """Whether the License Server may have the payload after an attempt that ended so, or has not ended yet."""
    return response_code not in _EXPLICIT_REFUSALS and request_written(cause, response_code) is not False


_RETRYING = {
    408: Cause.BUSY,
    425: Cause.BUSY,
    429: Cause.BUSY,
    503: Cause.BUSY,
}
_STATUSES = range(100, 600)
_SERVER_ERRORS = range(500, 600)
_HELD = {401: Cause.API_KEY_NOT_ACCEPTED, 403: Cause.FORBIDDEN}
_REJECTED = {
    400: Cause.PAYLOAD_REFUSED,
    404: Cause.NOT_FOUND,
    405: Cause.NOT_FOUND,
    409: Cause.ID_CONFLICT,
    411: Cause.PAYLOAD_REFUSED,
    413: Cause.PAYLOAD_REFUSED,
    415: Cause.PAYLOAD_REFUSED,
    422: Cause.PAYLOAD_REFUSED,
}


def outcome_of_status(status: int, retry_after: timedelta | None = None) -> Failure:
    """Classify an HTTP status that is not an acceptance.

    An unknown 5xx status counts as 500, and so does an invalid one (RFC 9110, section 15). Any other status that the
    protocol does not list is a rejection: the payload is tried again at every tick, so nothing is lost, and an unknown
    server is not overloaded.
    """
    if status in _RETRYING:
        return Retrying(_RETRYING[status], status, retry_after)
    if status in _SERVER_ERRORS or status not in _STATUSES:
        return Retrying(Cause.SERVER_ERROR, status, retry_after)
    if status in _HELD:
        return Held(_HELD[status], status)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        return Rejected(Cause.REDIRECTED, status)
    return Rejected(_REJECTED.get(status, Cause.UNEXPECTED_STATUS), status)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait after a passing failure. Each limit has its reason next to it."""

    shortest: timedelta = timedelta(minutes=1)
    """A failure rarely passes sooner, and a fleet would overload a struggling server."""
    longest: timedelta = timedelta(hours=6)
    """Any longer, and an administrator would not see a repaired connection the same day."""

    def delay(self, attempts_made: int, retry_after: timedelta | None, random: Random) -> timedelta:
        """Return how long to wait after the ``attempts_made``-th attempt (1 or more) failed.

        Doubles from ``shortest`` to ``longest`` and takes up to half off at random, so that installations that failed
        together do not retry together. What the License Server asks for is followed within the same limits.
        """
        if retry_after is not None:
            return min(max(retry_after, self.shortest), self.longest)
        doublings = min(max(attempts_made - 1, 0), 16)
        ceiling = min(self.shortest * (1 << doublings), self.longest)
        return max(self.shortest, ceiling * random.uniform(0.5, 1.0))

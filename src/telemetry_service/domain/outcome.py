"""What can come of one attempt to reach the License Server, as a closed type.

An outcome is one of :class:`Accepted`, :class:`Retrying`, :class:`Held` and :class:`Rejected`. Every
outcome that is no acceptance has a :class:`Cause` of our own, with a sentence and a next step: no
text of a library or of the License Server is ever kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from telemetry_service.domain.owner import Owner


class Cause(StrEnum):
    """Why an attempt was not accepted. The code is stable; the troubleshooting page explains each one."""

    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_LOST = "connection_lost"
    PROXY_FAILED = "proxy_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    TLS_FAILED = "tls_failed"
    TLS_VERSION = "tls_version"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CLOCK_WRONG = "clock_wrong"
    API_KEY_NOT_ACCEPTED = "api_key_not_accepted"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    NOT_FOUND = "not_found"
    PAYLOAD_REFUSED = "payload_refused"
    ID_CONFLICT = "id_conflict"
    UNEXPECTED_STATUS = "unexpected_status"
    ANSWER_MALFORMED = "answer_malformed"
    ANSWER_TOO_LARGE = "answer_too_large"
    INTERRUPTED = "interrupted"
    PAYLOAD_INVALID = "payload_invalid"

    @property
    def sentence(self) -> str:
        """What happened."""
        return EXPLANATIONS[self].sentence


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause in plain words: what happened, what to do, and who can do it."""

    sentence: str
    next_step: str
    """For a cause in ``PASSING`` what holds while a payload is tried again: a page asks ``row_words``."""
    owner: Owner


_ADMIN = Owner.ADMINISTRATOR
_NETWORK = Owner.NETWORK
_VENDOR = Owner.SUPPORT
_NOBODY = Owner.NOBODY

EXPLANATIONS: dict[Cause, Explanation] = {
    Cause.NAME_NOT_RESOLVED: Explanation(
        "The License Server's name could not be resolved.",
        "Check that this host can resolve public names (DNS).",
        _NETWORK,
    ),
    Cause.CONNECTION_REFUSED: Explanation(
        "The License Server, or a firewall in front of it, refused the connection.",
        "Check outbound network connectivity (firewall, proxy settings).",
        _NETWORK,
    ),
    Cause.CONNECTION_FAILED: Explanation(
        "Could not connect to the License Server.",
        "Check outbound network connectivity (firewall, proxy settings).",
        _NETWORK,
    ),
    Cause.CONNECTION_LOST: Explanation(
        "The connection was lost before the License Server responded.",
        "No action needed. If this keeps happening, check the proxies and firewalls in between.",
        _NOBODY,
    ),
    Cause.PROXY_FAILED: Explanation(
        "The configured proxy did not connect to the License Server.",
        "Check TELEMETRY_PROXY_URL: the proxy's host name, port, user name, and password. Also check that the proxy"
        " allows this connection.",
        _NETWORK,
    ),
    Cause.DEADLINE_EXCEEDED: Explanation(
        "The License Server did not respond in time.",
        "No action needed. If this keeps happening, check the proxies and firewalls in between.",
        _NOBODY,
    ),
    Cause.TLS_FAILED: Explanation(
        "Could not establish a secure connection (TLS) to the License Server.",
        "Check for a firewall or proxy that interferes with TLS connections.",
        _NETWORK,
    ),
    Cause.TLS_VERSION: Explanation(
        "The responding server offers only TLS versions older than 1.2.",
        "Check for an outdated proxy that intercepts TLS connections.",
        _NETWORK,
    ),
    Cause.CERTIFICATE_EXPIRED: Explanation(
        "The License Server's certificate has expired or is not valid yet.",
        "Check this machine's clock; if it is correct, contact support.",
        _ADMIN,
    ),
    Cause.CERTIFICATE_WRONG_HOST: Explanation(
        "The certificate was not issued for the License Server's name.",
        "Check for a proxy that intercepts TLS connections.",
        _NETWORK,
    ),
    Cause.CERTIFICATE_UNTRUSTED: Explanation(
        "The License Server's certificate was issued by an authority that this installation does not trust.",
        "If a proxy intercepts TLS, add its certificate authority to TELEMETRY_LICENSE_SERVER_CA_FILE.",
        _NETWORK,
    ),
    Cause.CLOCK_WRONG: Explanation(
        (
            "The License Server refused the message because its clock and this machine's clock differ by more than 5"
            " minutes."
        ),
        "Fix this machine's clock (NTP), then click Retry.",
        Owner.HOST,
    ),
    Cause.API_KEY_NOT_ACCEPTED: Explanation(
        "The License Server does not accept the API key.",
        "Verify that the API key is correct and not expired, then save it again.",
        _ADMIN,
    ),
    Cause.FORBIDDEN: Explanation(
        "The License Server recognizes the API key but refuses this installation.",
        "Check the subscription, or contact support.",
        _ADMIN,
    ),
    Cause.BUSY: Explanation(
        "The License Server is busy.",
        "No action needed.",
        _NOBODY,
    ),
    Cause.SERVER_ERROR: Explanation(
        "The License Server had an internal error.",
        "No action needed; the payload is kept and retried.",
        _NOBODY,
    ),
    Cause.REDIRECTED: Explanation(
        "The response was a redirect, which the service never follows.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
    ),
    Cause.NOT_FOUND: Explanation(
        "The responding server has no telemetry API.",
        "Check for a proxy in between; if there is none, contact support.",
        _NETWORK,
    ),
    Cause.PAYLOAD_REFUSED: Explanation(
        "The License Server refused the payload.",
        "Check that the encryption and anonymization settings match the License Server. If they do, contact support.",
        _VENDOR,
    ),
    Cause.ID_CONFLICT: Explanation(
        "The License Server already has a different payload with this ID.",
        "Contact support.",
        _VENDOR,
    ),
    Cause.UNEXPECTED_STATUS: Explanation(
        "The License Server returned a status code that the protocol does not define.",
        "Check for a proxy in between; if there is none, contact support.",
        _VENDOR,
    ),
    Cause.ANSWER_MALFORMED: Explanation(
        "The response did not come from a License Server.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
    ),
    Cause.ANSWER_TOO_LARGE: Explanation(
        "The response was too large to come from a License Server.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
    ),
    Cause.INTERRUPTED: Explanation(
        "The service stopped while sending; whether the payload arrived is unknown.",
        "No action needed: it is sent again with the same ID and counted once.",
        _NOBODY,
    ),
    Cause.PAYLOAD_INVALID: Explanation(
        "The stored payload is no longer valid, so it was not sent.",
        "Contact support; the payload is kept.",
        _VENDOR,
    ),
}


PASSING = frozenset(cause for cause, explanation in EXPLANATIONS.items() if explanation.owner is _NOBODY)
"""What may be over in a moment. A payload is then sent again by itself; a connection test is not repeated."""


@dataclass(frozen=True, slots=True)
class LicenseUpdate:
    """The license posture that an answer carried."""

    tier: str
    license_status: str
    expires_at: datetime | None


class Note(StrEnum):
    """What an acceptance carried that was not taken as it stood. It stays an acceptance; the log has the token."""

    RECEIPT_DROPPED = "receipt_dropped"
    """What stood for a receipt is none, or says more than a receipt may."""
    LICENSE_DROPPED = "license_dropped"
    """What stood for a license cannot be read."""
    LICENSE_VALUE_UNKNOWN = "license_value_unknown"
    """A tier or a status that this version does not know: it is taken as *unknown*."""
    LICENSE_UNSIGNED = "license_unsigned"
    """A license beside the receipt, where a key is pinned and only what it signs is believed."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The License Server has the payload. ``receipt_verified`` is None where no key is pinned."""

    response_code: int
    duplicate: bool
    receipt: str | None = None
    receipt_verified: bool | None = None
    license: LicenseUpdate | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrying:
    """A passing fault: back off, and try again. ``retry_after`` is the License Server's own wish."""

    cause: Cause
    response_code: int | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody has to change the API key or the connection first."""

    cause: Cause
    response_code: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Sending it again soon would not help; it waits for the next tick or for *Retry*."""

    cause: Cause
    response_code: int | None = None


Outcome = Accepted | Retrying | Held | Rejected
Failure = Retrying | Held | Rejected

_NEVER_WRITTEN = frozenset(
    {
        Cause.NAME_NOT_RESOLVED,
        Cause.CONNECTION_REFUSED,
        Cause.CONNECTION_FAILED,
        Cause.PROXY_FAILED,
        Cause.TLS_FAILED,
        Cause.TLS_VERSION,
        Cause.CERTIFICATE_EXPIRED,
        Cause.CERTIFICATE_WRONG_HOST,
        Cause.CERTIFICATE_UNTRUSTED,
        Cause.PAYLOAD_INVALID,
    }
)
"""What ends an attempt before the request is written: not a byte of it has left then."""

_ANSWERED = frozenset({Cause.ANSWER_MALFORMED, Cause.ANSWER_TOO_LARGE})
"""Somebody has answered the request, whatever the answer was, so it was written."""

_EXPLICIT_REFUSALS = frozenset({400, 401, 403, 413, 415, 422})
"""Whoever answers so says that the payload was not taken (behavior, section 5)."""


def request_written(cause: Cause | None, response_code: int | None) -> bool | None:
    """Return whether the request of an attempt was written; None where its cause does not tell.

    A connection that was lost, or a deadline that passed, can end an attempt before, while and after it is written.
    """
    if response_code is not None or cause in _ANSWERED:
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
    """Classify an HTTP status that is no acceptance.

    A status of the class 5xx that is not known counts as a 500, and so does one that is none (RFC 9110, section 15).
    Any other that the protocol does not list is a rejection: it is tried again at every tick, so nothing is lost,
    and an unknown server is not pressed.
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
    """How long a passing fault is waited out. Each bound has its reason beside it."""

    shortest: timedelta = timedelta(minutes=1)
    """Sooner than this a fault has hardly passed, and a fleet would press a server in trouble."""
    longest: timedelta = timedelta(hours=6)
    """Later than this an administrator would not see a repaired connection the same day."""

    def delay(self, attempts_made: int, retry_after: timedelta | None, random: Random) -> timedelta:
        """Return how long to wait after the ``attempts_made``-th attempt (1 or more) failed.

        Doubles from ``shortest`` to ``longest`` and takes a random half off, so that installations
        that failed together do not come back together. The License Server's own wish is obeyed
        within the same bounds.
        """
        if retry_after is not None:
            return min(max(retry_after, self.shortest), self.longest)
        doublings = min(max(attempts_made - 1, 0), 16)
        ceiling = min(self.shortest * (1 << doublings), self.longest)
        return max(self.shortest, ceiling * random.uniform(0.5, 1.0))

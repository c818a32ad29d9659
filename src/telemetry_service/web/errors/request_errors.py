"""The errors of a request itself: the field and the problem, never the value."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from telemetry_service.domain.errors import TelemetryError

FIELDS_SHOWN = 20
"""The first errors are enough to explain a body."""

REPORTS_SHOWN = 100
"""Invalid or refused usage reports that one response lists. Who omits them and sends the rest learns about the next."""

BODY = "body"
"""The name of the whole body."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field, as ``reports[3].audit_events``, and its problem: "must be a whole number"."""

    field: str
    problem: str
    index: int | None = None
    """The place of the usage report or of the bouncer in the request, if it is about one."""
    report_id: UUID | None = None
    """The ID of the usage report, if it has a valid one. Set it aside, and send the others."""


class InputRefusedError(TelemetryError):
    """The request can be read, but one of its fields is not valid."""

    code = "input-invalid"
    sentence = "Some fields of the request are not valid; see errors."

    def __init__(self, fields: Iterable[FieldError]) -> None:
        """Keep the first field errors."""
        self.fields = tuple(fields)[:FIELDS_SHOWN]
        super().__init__()


class ReportsRefusedError(InputRefusedError):
    """Some of the usage reports are not valid."""

    def __init__(self, fields: Iterable[FieldError]) -> None:
        """Keep all of ``fields``: their number was limited by report."""
        super().__init__(())
        self.fields = tuple(fields)


class PreconditionUnreadError(TelemetryError):
    """The request has a condition that the call does not check."""

    code = "precondition-unread"
    sentence = (
        "This call does not check the condition in If-Match, If-None-Match, or If-Unmodified-Since. Nothing was"
        " changed; leave the header out."
    )


class BodyMalformedError(InputRefusedError):
    """The body is not JSON."""

    code = "body-malformed"
    sentence = "The request body is not valid JSON."


class RequestMalformedError(InputRefusedError):
    """The request itself is unreadable or ambiguous."""

    code = "request-malformed"
    sentence = "The request is malformed or ambiguous."


class RequestTooSlowError(TelemetryError):
    """The request did not arrive completely in time."""

    code = "request-timeout"
    sentence = "The request took too long to arrive. Nothing was recorded; try again."


class OverloadedError(TelemetryError):
    """The service has reached its limit of connections."""

    code = "overloaded"
    sentence = "Too many connections. Nothing was recorded; try again in a moment."


class HostRefusedError(TelemetryError):
    """The request names a host that is not the service's."""

    code = "host-refused"
    sentence = (
        "The service is not known under this host name. Open it at its public URL (TELEMETRY_PUBLIC_URL). A reverse"
        " proxy must pass on the browser's Host (nginx: proxy_set_header Host $http_host)."
    )


class ExchangesBusyError(TelemetryError):
    """The process has reached its limit of concurrent exchanges with the License Server."""

    code = "exchanges-busy"
    sentence = "Too many exchanges with the License Server are in progress. Nothing was sent; try again in a moment."


class ChecksBusyError(TelemetryError):
    """A check of the whole ledger is running, and another one waits."""

    code = "checks-busy"
    sentence = "The ledger is being verified already. Try again in a moment."


class IssuersBusyError(TelemetryError):
    """Too many requests wait for an issuer of identities."""

    code = "issuers-busy"
    sentence = "Too many logins wait for the identity provider. Try again in a moment."


class LoginsBusyError(TelemetryError):
    """Too many logins are being checked or are waiting."""

    code = "logins-busy"
    sentence = "Too many logins are in progress. Try again in a moment."


class MethodRefusedError(TelemetryError):
    """The path does not support the method."""

    code = "method-not-allowed"
    sentence = "Method not allowed; see Allow."

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed = tuple(allowed)
        super().__init__()


class BodyTooLargeError(TelemetryError):
    """The body is larger than any valid one."""

    code = "body-too-large"
    sentence = "The request body is too large."


class MediaTypeRefusedError(TelemetryError):
    """The body's media type is not plain JSON."""

    code = "media-type-refused"
    sentence = "Send the body as Content-Type: application/json, in UTF-8 without Content-Encoding."

    def __init__(self, media_type: str = "application/json") -> None:
        """Say which media type this call takes."""
        super().__init__(self.sentence.replace("application/json", media_type))

"""Every refusal of the License Server, as a closed list: status, code and sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from starlette.responses import JSONResponse

PROBLEM_MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:control-core:license-server:"


class Reason(StrEnum):
    """Why a request is refused. The code is stable.

    ``docs/protocol.md`` has an entry for each of the protocol, ``docs/license-server.md`` for the others.
    """

    HEADER_MALFORMED = "header-malformed"
    KEY_UNKNOWN = "key-unknown"
    KEY_REVOKED = "key-revoked"
    SIGNATURE_INVALID = "signature-invalid"
    TIMESTAMP_OUT_OF_TOLERANCE = "timestamp-out-of-tolerance"
    CONTENT_TYPE_UNSUPPORTED = "content-type-unsupported"
    BODY_TOO_LARGE = "body-too-large"
    ENCRYPTION_REQUIRED = "encryption-required"
    ENCRYPTION_INVALID = "encryption-invalid"
    JSON_MALFORMED = "json-malformed"
    JSON_NOT_CANONICAL = "json-not-canonical"
    SCHEMA_VIOLATED = "schema-violated"
    CUSTOMER_MISMATCH = "customer-mismatch"
    PING_NOT_EMPTY = "ping-not-empty"
    BUNDLE_MALFORMED = "bundle-malformed"
    ID_CONFLICT = "id-conflict"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONTROL_TOKEN_INVALID = "control-token-invalid"  # noqa: S105 - a code, not a secret
    CONTROL_INPUT_INVALID = "control-input-invalid"
    SWITCHED = "switched"
    STORE_UNAVAILABLE = "store-unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class _Entry:
    status: int
    title: str


_ENTRIES: dict[Reason, _Entry] = {
    Reason.HEADER_MALFORMED: _Entry(400, "A protocol header is missing, repeated, or malformed."),
    Reason.KEY_UNKNOWN: _Entry(401, "No accepted API key has this key ID."),
    Reason.KEY_REVOKED: _Entry(401, "The API key that signed this bundle's transmission is revoked."),
    Reason.SIGNATURE_INVALID: _Entry(401, "A signature does not match this API key."),
    Reason.TIMESTAMP_OUT_OF_TOLERANCE: _Entry(
        400, "The timestamp differs from this server's clock by more than 5 minutes."
    ),
    Reason.CONTENT_TYPE_UNSUPPORTED: _Entry(415, "Send application/json, or application/jose if encrypted."),
    Reason.BODY_TOO_LARGE: _Entry(413, "The body is too large."),
    Reason.ENCRYPTION_REQUIRED: _Entry(422, "This License Server accepts only encrypted payloads."),
    Reason.ENCRYPTION_INVALID: _Entry(400, "The body is not a JWE that this API key can decrypt."),
    Reason.JSON_MALFORMED: _Entry(400, "The payload is not JSON, or repeats a member."),
    Reason.JSON_NOT_CANONICAL: _Entry(400, "The payload is not in its canonical form (RFC 8785)."),
    Reason.SCHEMA_VIOLATED: _Entry(422, "The payload does not match the schema."),
    Reason.CUSTOMER_MISMATCH: _Entry(403, "The payload's customer does not own this API key."),
    Reason.PING_NOT_EMPTY: _Entry(422, "A connection test must have the body {}."),
    Reason.BUNDLE_MALFORMED: _Entry(400, "This is not a bundle of transmissions."),
    Reason.ID_CONFLICT: _Entry(409, "A different payload with this ID was already accepted."),
    Reason.NOT_FOUND: _Entry(404, "Not found."),
    Reason.METHOD_NOT_ALLOWED: _Entry(405, "Method not allowed; use POST."),
    Reason.CONTROL_TOKEN_INVALID: _Entry(401, "Incorrect control token."),
    Reason.CONTROL_INPUT_INVALID: _Entry(422, "The control interface does not recognize this input."),
    Reason.SWITCHED: _Entry(503, "The control interface configured this response."),
    Reason.STORE_UNAVAILABLE: _Entry(503, "The store cannot be used. Nothing was accepted; try again."),
    Reason.INTERNAL: _Entry(500, "The License Server had an internal error."),
}


class RefusalError(Exception):
    """The request is refused. Contains nothing from the request but names of fields."""

    def __init__(self, reason: Reason, **members: object) -> None:
        """Keep the reason and the problem's extension members."""
        super().__init__(reason.value)
        self.reason = reason
        self.members = members


def status_of(reason: Reason) -> int:
    """Return the HTTP status of a refusal."""
    return _ENTRIES[reason].status


def problem(
    reason: Reason,
    *,
    status: int | None = None,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a refusal as ``application/problem+json`` (RFC 9457), with ``status`` instead of its usual one."""
    entry = _ENTRIES[reason]
    sent_status = status or entry.status
    body = {"type": _TYPE_PREFIX + reason.value, "title": entry.title, "status": sent_status, **(members or {})}
    sent = dict(headers or {})
    if sent_status == 401:  # noqa: PLR2004 - RFC 9110 wants a challenge with each 401
        sent.setdefault("WWW-Authenticate", "ControlCoreTelemetry")
    return JSONResponse(body, status_code=sent_status, headers=sent, media_type=PROBLEM_MEDIA_TYPE)

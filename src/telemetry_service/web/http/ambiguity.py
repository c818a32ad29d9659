"""Refuses a request whose head two readers could understand differently, before any route.

A proxy in between may have read it differently, and so let through what it should have blocked.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError
from telemetry_service.web.http.middleware import http_middleware

_ONCE = {
    name.lower().encode(): name
    for name in (
        "Authorization",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Host",
        "Idempotency-Key",
        "Origin",
        "Sec-Fetch-Site",
        "X-CSRF-Token",
    )
}
"""Headers with a single value. ``If-Match`` is a list and may occur more than once."""


@http_middleware
async def refuse_ambiguity(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse an ambiguous request.

    Raises:
        RequestMalformedError: it is ambiguous.
    """
    if errors := _errors_of(scope):
        raise RequestMalformedError(errors)
    await app(scope, receive, send)


def _errors_of(scope: Scope) -> list[FieldError]:
    names = [name for name, _value in scope["headers"]]
    errors = [FieldError(_ONCE[name], "appears more than once") for name in _ONCE if names.count(name) > 1]
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
        errors.append(FieldError("Transfer-Encoding", "must not be combined with Content-Length or used in HTTP/1.0"))
    return errors

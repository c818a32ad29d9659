"""Refuses a request whose head two readers could understand differently: pure ASGI, around every route.

A proxy on the way may have read it the other way, and so let in what it would have kept out.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.request_errors import FieldError, RequestMalformedError

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
"""Headers that say one thing. ``If-Match`` is a list by its nature, and may be there more than once."""


class AmbiguityGuard:
    """Refuses a request that says two things at once."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            RequestMalformedError: it has more than one meaning.
        """
        errors = _errors_of(scope) if scope["type"] == "http" else []
        if errors:
            raise RequestMalformedError(errors)
        await self._app(scope, receive, send)


def _errors_of(scope: Scope) -> list[FieldError]:
    names = [name for name, _value in scope["headers"]]
    errors = [FieldError(_ONCE[name], "appears more than once") for name in _ONCE if names.count(name) > 1]
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
        errors.append(FieldError("Transfer-Encoding", "must not be combined with Content-Length or used in HTTP/1.0"))
    return errors

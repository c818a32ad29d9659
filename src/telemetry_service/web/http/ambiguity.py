"""Refuses a request whose head two readers could understand differently: pure ASGI, around every route.

A proxy on the way may have read it the other way, and so let in what it would have kept out.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry_service.web.errors.problems import problem_of
from telemetry_service.web.errors.request_errors import Fault, RequestMalformedError

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
    """Answers 400 to a request that says two things at once."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, if it has one meaning."""
        faults = _faults_of(scope) if scope["type"] == "http" else []
        if not faults:
            await self._app(scope, receive, send)
            return
        answer = problem_of(Request(scope), RequestMalformedError(faults))
        # Where the body ends is what is in doubt, so nothing behind it is read.
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)


def _faults_of(scope: Scope) -> list[Fault]:
    names = [name for name, _value in scope["headers"]]
    faults = [Fault(_ONCE[name], "appears more than once") for name in _ONCE if names.count(name) > 1]
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
        faults.append(Fault("Transfer-Encoding", "must not be combined with Content-Length or used in HTTP/1.0"))
    return faults

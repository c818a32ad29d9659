"""The request that a line belongs to, known to everything that runs for that request, in any thread."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_HEADER = "X-Request-Id"

_SAFE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The ID of a request and the address that it came from, if need be as reported by a trusted proxy."""

    request_id: str
    address: str | None


_CURRENT: ContextVar[RequestContext | None] = ContextVar("telemetry_request", default=None)


def current_request() -> RequestContext | None:
    """Return the present request, or None outside of any."""
    return _CURRENT.get()


def is_safe_request_id(text: str) -> bool:
    """Whether a caller's request ID may be repeated in the log and in the response."""
    return _SAFE.fullmatch(text) is not None


@contextmanager
def request_context(request_id: str, address: str | None) -> Iterator[RequestContext]:
    """Let every line that is logged within the block belong to this request."""
    context = RequestContext(request_id, address)
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)

"""One exchange with the License Server: a request and its response, under one deadline.

Each exchange has its own event loop, in the thread of its caller. So canceling ends whatever hangs, trickles or waits,
in any layer, and leaves nothing behind. A loop costs less than a millisecond. A thread that already runs a loop, such
as the web server's, cannot make an exchange, and so cannot be blocked by one.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import anyio
import httpcore
import httpx

from telemetry_service.domain.causes import Cause
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.license_server.exchange_error import ExchangeError
from telemetry_service.license_server.network import Network
from telemetry_service.license_server.response import EXPLAINED_STATUS, PROBLEM_MEDIA_TYPE, READ_STATUSES, Response
from telemetry_service.license_server.steps import Steps

_KEEP_STATUS = frozenset({Cause.RESPONSE_MALFORMED, Cause.RESPONSE_TOO_LARGE})
"""Problems with a response that has begun."""
_OF_LIBRARIES = (
    OSError,  # Including TimeoutError, and ssl.SSLError, which httpcore does not wrap.
    anyio.EndOfStream,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)
"""Every exception that something outside this process can cause."""

_OF_PROXY = {
    Cause.NAME_NOT_RESOLVED: Cause.PROXY_NOT_RESOLVED,
    Cause.CONNECTION_REFUSED: Cause.PROXY_UNREACHABLE,
    Cause.CONNECTION_FAILED: Cause.PROXY_UNREACHABLE,
    Cause.PROXY_LOGIN_REFUSED: Cause.PROXY_LOGIN_REFUSED,
}
"""What a failure means before the proxy has connected; any other is PROXY_FAILED."""
_LOGIN_REQUIRED = f"{HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value} "


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """A complete response, for the conformance checks: all of its headers, and its body as sent."""

    status: int
    headers: Sequence[tuple[str, str]]
    """Names in lower case; a header that occurs twice is here twice."""
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header, the first if there are several; None if it is missing."""
        return next((value for named, value in self.headers if named == name.lower()), None)


class Exchange:
    """One exchange; use it once."""

    def __init__(
        self,
        context: ssl.SSLContext,
        proxy: httpcore.Proxy | None,
        limits: ExchangeLimits,
        steps: Steps,
        *,
        any_name: bool = False,
    ) -> None:
        """Prepare; nothing is connected yet. ``any_name`` lets search domains complete the server's name."""
        self._context = context
        self._proxy = proxy
        self._limits = limits
        self._steps = steps
        self._network = Network(steps, limits.response_bytes, any_name=any_name or proxy is not None)
        self._status: int | None = None

    def post(self, url: httpcore.URL, headers: Sequence[tuple[str, str]], body: bytes) -> Response:
        """Post a message and return the response; for the errors see ``request``."""
        return self.request("POST", url, headers, body)

    def request(self, method: str, url: httpcore.URL, headers: Sequence[tuple[str, str]], body: bytes) -> Response:
        """Send a request and return the response.

        Raises:
            ExchangeError: there is no readable response, or no time left.
        """
        return self._run(partial(self._send, method, url, headers, body, read=_read))

    def post_for_all(self, url: httpcore.URL, headers: Sequence[tuple[str, str]], body: bytes) -> WholeResponse:
        """Post a message and return all of the response, whatever its status; for the errors see ``request``."""
        return self._run(partial(self._send, "POST", url, headers, body, read=_read_all))

    def _run(self, send: Callable[[], Awaitable[_T]]) -> _T:
        try:
            # Debug mode, which the environment can turn on, would log addresses.
            with asyncio.Runner(debug=False) as loop:
                return loop.run(self._within_deadline(send))
        except (ExchangeError, *_OF_LIBRARIES) as error:
            raise self._translated(error) from None

    async def _within_deadline(self, send: Callable[[], Awaitable[_T]]) -> _T:
        try:
            with anyio.fail_after(self._limits.deadline.total_seconds()):
                return await send()
        finally:
            await self._network.aclose()

    async def _send(
        self,
        method: str,
        url: httpcore.URL,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        read: Callable[[httpcore.Response], Awaitable[_T]],
    ) -> _T:
        pool = httpcore.AsyncConnectionPool(ssl_context=self._context, proxy=self._proxy, network_backend=self._network)
        extensions = {"trace": self._steps.trace}
        async with pool, pool.stream(method, url, headers=headers, content=body, extensions=extensions) as response:
            self._status = response.status
            return await read(response)

    def _translated(self, error: Exception) -> ExchangeError:
        """Return the error without a library's text, which contains names and addresses."""
        cause = self._cause_of(error)
        if self._steps.at_proxy and cause is not Cause.DEADLINE_EXCEEDED:
            cause = _OF_PROXY.get(cause, Cause.PROXY_FAILED)
        return ExchangeError(cause, self._status if cause in _KEEP_STATUS else None)

    def _cause_of(self, error: Exception) -> Cause:
        match error:
            case ExchangeError():
                return error.cause
            case TimeoutError() | httpcore.TimeoutException():
                return Cause.DEADLINE_EXCEEDED
            case httpcore.ProxyError():
                return _cause_of_refusal(error)
            case httpcore.RemoteProtocolError() if not self._network.cut_off:
                return Cause.RESPONSE_MALFORMED
            case ssl.SSLError() | anyio.EndOfStream() | httpcore.NetworkError() | httpcore.RemoteProtocolError():
                return Cause.CONNECTION_LOST
            case _:  # For example, this machine has no file descriptors left.
                return Cause.CONNECTION_FAILED


def _cause_of_refusal(error: httpcore.ProxyError) -> Cause:
    """Return why a proxy refused: httpcore keeps its status at the start of the text, and nowhere else."""
    return Cause.PROXY_LOGIN_REFUSED if str(error).startswith(_LOGIN_REQUIRED) else Cause.PROXY_FAILED


async def _read(response: httpcore.Response) -> Response:
    """Read the body if it matters. A compressed one counts as none: decompressing it could be a bomb."""
    headers = httpx.Headers(response.headers)
    body = None
    if headers.get("Content-Encoding", "identity").lower() == "identity":
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status in READ_STATUSES:
            body = await response.aread()
        elif response.status == EXPLAINED_STATUS and media_type == PROBLEM_MEDIA_TYPE:
            body = await _read_if_possible(response)
    return Response(response.status, headers.get("Date"), headers.get("Retry-After"), body)


async def _read_all(response: httpcore.Response) -> WholeResponse:
    return WholeResponse(response.status, httpx.Headers(response.headers).multi_items(), await response.aread())


async def _read_if_possible(response: httpcore.Response) -> bytes | None:
    """Read the body; None if it is broken, too large or too slow. The status alone is an outcome already."""
    body, left = None, anyio.current_effective_deadline() - anyio.current_time()
    with suppress(ExchangeError, *_OF_LIBRARIES), anyio.move_on_after(left / 2):
        body = await response.aread()
    return body

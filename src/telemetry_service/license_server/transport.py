"""httpx over our own network: nothing of the environment, nothing of the answer that nobody asked for."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from telemetry_service.domain.outcome import Cause
from telemetry_service.license_server.exchange import Exchange
from telemetry_service.license_server.network import Network

_WANTED_HEADERS = frozenset({b"date", b"retry-after", b"content-encoding"})


class Transport(httpx.BaseTransport):
    """Carries one exchange over one connection, which is not kept."""

    def __init__(self, exchange: Exchange, context: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        """Make ready; nothing is connected yet."""
        self._exchange = exchange
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=None if proxy is None else _core_proxy(proxy, context),
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=Network(exchange, proxy_speaks_tls=proxy is not None and proxy.url.scheme == "https"),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return the answer's status, the headers that matter, and its body to come.

        Other headers are dropped here, before anything can act on them: a ``Location`` is never
        followed, a cookie never kept.
        """
        core_request = httpcore.Request(
            method=request.method,
            url=_core_url(request.url),
            headers=request.headers.raw,
            content=request.read(),
        )
        with _faults_of_our_own(self._exchange):
            response = self._pool.handle_request(core_request)
        headers = [(name, value) for name, value in response.headers if name.lower() in _WANTED_HEADERS]
        return httpx.Response(response.status, headers=headers, stream=_Body(response, self._exchange))

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        with _faults_of_our_own(self._exchange):
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextmanager
def _faults_of_our_own(exchange: Exchange) -> Iterator[None]:
    """Let no exception of httpcore out: their texts hold names and addresses."""
    try:
        yield
    except httpcore.ProxyError:
        cause = Cause.PROXY_FAILED
    except httpcore.RemoteProtocolError:
        # The same exception for an answer that broke off and for one that is no HTTP.
        cause = Cause.CONNECTION_LOST if exchange.cut_off else Cause.ANSWER_MALFORMED
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
        cause = Cause.CONNECTION_FAILED
    else:
        return
    raise exchange.fault(cause)


def _core_url(url: httpx.URL) -> httpcore.URL:
    # httpcore writes the host as it stands into the CONNECT of a proxy, where an IPv6 address has brackets.
    host = b"[%b]" % url.raw_host if b":" in url.raw_host else url.raw_host
    return httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path)


def _core_proxy(proxy: httpx.Proxy, context: ssl.SSLContext) -> httpcore.Proxy:
    speaks_tls = proxy.url.scheme == "https"
    return httpcore.Proxy(_core_url(proxy.url), auth=proxy.raw_auth, ssl_context=context if speaks_tls else None)

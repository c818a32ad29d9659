"""The network under httpx: each operation is cut to what the exchange has left.

httpx bounds single operations only, which a server that sends one byte now and then defeats. Here
httpcore's own time-outs are ignored, and every operation asks the exchange.
"""

import contextlib
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import httpcore

from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.outcome import Cause
from telemetry_service.license_server import tls
from telemetry_service.license_server.exchange import Exchange
from telemetry_service.license_server.exchange_error import ExchangeError
from telemetry_service.license_server.name_lookup import connect

_RECORD_BYTES = 16 * 1024
_T = TypeVar("_T")


class Network(httpcore.NetworkBackend):
    """Connections for one exchange."""

    def __init__(self, exchange: Exchange, *, proxy_speaks_tls: bool) -> None:
        """Serve one exchange, whose first TLS layer may be the proxy's."""
        self._exchange = exchange
        self._proxy_speaks_tls = proxy_speaks_tls

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the exchange's deadline rules
        local_address: str | None = None,  # noqa: ARG002 - never set here
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - never set here
    ) -> httpcore.NetworkStream:
        """Connect to the License Server or its proxy."""
        stream = TcpStream(connect(host.strip("[]"), port, self._exchange), self._exchange)
        stream.first_tls_is_the_proxys = self._proxy_speaks_tls
        return stream


class _Stream(httpcore.NetworkStream, ABC):
    """What both kinds of stream share: ``pull`` and ``push`` move bytes, ``read`` also counts them."""

    first_tls_is_the_proxys = False

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @abstractmethod
    def pull(self, max_bytes: int) -> bytes:
        """Return what came, or nothing at its end."""

    @abstractmethod
    def push(self, outgoing: bytes) -> None:
        """Send all of it."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline rules
        """Return what came, counted against the limit of an answer."""
        return self._exchange.count(self.pull(max_bytes))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline rules
        """Send; a connection that breaks while sending may still hold an early answer, and httpcore looks for it."""
        try:
            self.push(buffer)
        except ExchangeError as error:
            if error.cause is not Cause.CONNECTION_LOST:
                raise
            raise httpcore.WriteError from None

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline rules
    ) -> httpcore.NetworkStream:
        """Speak TLS from here on, to the proxy first where it wants that."""
        try:
            secured = TlsStream(self, self._exchange, ssl_context, tls.certified_name(server_hostname))
            if self.first_tls_is_the_proxys:
                secured.shake_hands()
            else:
                self._secure(secured)
        except ExchangeError:
            self.close()
            raise
        return secured

    def _secure(self, secured: "TlsStream") -> None:
        """Shake hands with the License Server. The certificate is verified in the middle of it."""
        self._exchange.reach(StepName.TLS)
        try:
            secured.shake_hands()
        except ExchangeError as error:
            if error.cause in tls.CERTIFICATE_CAUSES:
                self._exchange.reach(StepName.CERTIFICATE)
            raise
        self._exchange.describe(secured.version())
        self._exchange.reach(StepName.CERTIFICATE)
        self._exchange.reach(StepName.ANSWER)


class TcpStream(_Stream):
    """Bytes over a connected socket."""

    def __init__(self, connected: socket.socket, exchange: Exchange) -> None:
        """Own ``connected``."""
        super().__init__(exchange)
        self._socket = connected

    def pull(self, max_bytes: int) -> bytes:
        """Receive once."""
        return self._bounded(partial(self._socket.recv, max_bytes))

    def push(self, outgoing: bytes) -> None:
        """Send all, piece by piece, each within what is left of the deadline."""
        while outgoing:
            sent = self._bounded(partial(self._socket.send, outgoing))
            outgoing = outgoing[sent:]

    def _bounded(self, operation: Callable[[], _T]) -> _T:
        self._socket.settimeout(self._exchange.remaining())
        try:
            return operation()
        except TimeoutError:
            raise ExchangeError(Cause.DEADLINE_EXCEEDED) from None
        except OSError:
            raise self._exchange.fault(Cause.CONNECTION_LOST) from None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class TlsStream(_Stream):
    """Bytes over TLS over any other stream, so that TLS through a TLS proxy is the same code."""

    def __init__(
        self, below: _Stream, exchange: Exchange, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        """Prepare; :meth:`shake_hands` comes next."""
        super().__init__(exchange)
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        except ValueError:  # A name that no certificate can have, which only a proxy would have looked up.
            raise ExchangeError(Cause.TLS_FAILED) from None

    def shake_hands(self) -> None:
        """Agree on TLS and verify the certificate."""
        try:
            self._run(self._tls.do_handshake)
        except ssl.SSLError as error:
            raise self._exchange.fault(tls.cause_of(error)) from None

    def version(self) -> str:
        """Return the agreed version, such as ``TLSv1.3``."""
        return self._tls.version() or "TLS"

    def pull(self, max_bytes: int) -> bytes:
        """Decrypt what came. A connection cut without TLS's farewell reads as its end; HTTP's framing judges it."""
        try:
            return self._run(partial(self._tls.read, max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError:
            # The request may have been written by now, which a handshake that failed would deny.
            raise self._exchange.fault(Cause.CONNECTION_LOST) from None

    def push(self, outgoing: bytes) -> None:
        """Encrypt and send all."""
        while outgoing:
            try:
                sent = self._run(partial(self._tls.write, outgoing))
            except ssl.SSLError:
                raise self._exchange.fault(Cause.CONNECTION_LOST) from None
            outgoing = outgoing[sent:]

    def _run(self, operation: Callable[[], _T]) -> _T:
        """Repeat an operation until TLS has had all the bytes from below that it wants."""
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                # The other side may be told why, but that it cannot be told changes nothing.
                with contextlib.suppress(ExchangeError):
                    self._flush()
                raise
            else:
                self._flush()
                return result

    def _feed(self) -> None:
        received = self._below.pull(_RECORD_BYTES)
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        self._below.push(self._outgoing.read())

    def close(self) -> None:
        """Close the connection."""
        self._below.close()

    def get_extra_info(self, info: str) -> object:
        """Return the TLS object, from which httpcore reads which HTTP was agreed."""
        return self._tls if info == "ssl_object" else None

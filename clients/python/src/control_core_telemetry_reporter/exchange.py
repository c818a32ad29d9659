"""One bounded exchange with the service: no redirects, no proxies, one deadline for all of it."""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

_PATH = "/api/v1/usage"
_MOST_RESPONSE_BYTES = 256 * 1024
_PIECE_BYTES = 65_536
_PORTS = {"http": 80, "https": 443}


class ExchangeError(Exception):
    """There was no response. The reason is one of our own words, never the text of a library."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Response:
    """What the service said."""

    status: int
    body: bytes
    retry_after: str | None = None


class Endpoint:
    """The service's address for usage reports."""

    def __init__(self, url: str, ca_file: Path | None) -> None:
        """Read the URL of the service.

        Raises:
            ValueError: this is not the URL of a service.
            OSError: the file of certificate authorities cannot be read.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or parts.query:
            raise ValueError("url must be http(s)://host[:port][/path] without a user")
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("url contains characters that a URL cannot have")
        self.host = parts.hostname
        self.port = parts.port or _PORTS[parts.scheme]
        self._host_header = parts.netloc
        self._path = parts.path.rstrip("/") + _PATH
        self._ca_file = ca_file
        self._secure = parts.scheme == "https"
        self._context: ssl.SSLContext | None = self._new_context() if self._secure else None

    def post(self, body: bytes, token: str, seconds: float, before_writing: Callable[[], None]) -> Response:
        """Send usage reports and return the response.

        Args:
            body: JSON.
            token: a service token.
            seconds: for the whole exchange.
            before_writing: called once connected, before the first byte of the request.

        Raises:
            ExchangeError: there was no response.
        """
        until = monotonic() + seconds
        with self._connect(until) as connected:
            before_writing()
            self._write(connected, self._head(body, token) + body, until)
            return _parse(_read(connected, until))

    def _connect(self, until: float) -> socket.socket:
        try:
            plain = socket.create_connection((self.host, self.port), _left(until))
        except TimeoutError:
            raise ExchangeError("timeout") from None
        except (OSError, UnicodeError):
            raise ExchangeError("no_connection") from None
        return self._wrap(plain, until) if self._secure else plain

    def _wrap(self, plain: socket.socket, until: float) -> socket.socket:
        try:
            self._context = self._context or self._new_context()
            plain.settimeout(_left(until))
            return self._context.wrap_socket(plain, server_hostname=self.host)
        except ExchangeError:
            plain.close()
            raise
        except (OSError, ValueError) as error:
            plain.close()
            if isinstance(error, TimeoutError):
                raise ExchangeError("timeout") from None
            # The file of authorities may have been renewed: it is read again at the next attempt.
            self._context = None
            raise ExchangeError("tls_failed") from None

    def _new_context(self) -> ssl.SSLContext:
        # Not create_default_context: it writes keys to SSLKEYLOGFILE, and with a CA file it trusts no other.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_default_certs()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def _head(self, body: bytes, token: str) -> bytes:
        lines = (
            f"POST {self._path} HTTP/1.1",
            f"Host: {self._host_header}",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "Connection: close",
            "User-Agent: control-core-telemetry-reporter",
        )
        return "\r\n".join((*lines, "", "")).encode("ascii")

    def _write(self, connected: socket.socket, request: bytes, until: float) -> None:
        connected.settimeout(_left(until))
        try:
            connected.sendall(request)
        except TimeoutError:
            raise ExchangeError("timeout") from None
        except OSError:
            pass  # A server that refuses a large request may have closed its side; its response can still be read.


def _read(connected: socket.socket, until: float) -> bytes:
    received = bytearray()
    while len(received) <= _MOST_RESPONSE_BYTES:
        connected.settimeout(_left(until))
        try:
            piece = connected.recv(_PIECE_BYTES)
        except TimeoutError:
            raise ExchangeError("timeout") from None
        except OSError:
            piece = b""
        received += piece
        if not piece or _is_complete(received):
            return bytes(received)
    raise ExchangeError("response_too_large")


def _is_complete(received: bytearray) -> bool:
    """Whether a response that says its length is here: not every server closes the connection."""
    head, separator, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n") if separator else ():
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


class _Received:
    """As much of a socket as the standard library's parser needs."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._received)


def _parse(received: bytes) -> Response:
    if not received:
        raise ExchangeError("connection_lost")
    response = http.client.HTTPResponse(_Received(received), method="POST")  # type: ignore[arg-type]  # no real socket
    try:
        response.begin()
        return Response(response.status, response.read(), response.headers.get("Retry-After"))
    except http.client.IncompleteRead:
        raise ExchangeError("connection_lost") from None
    except (http.client.HTTPException, OSError, ValueError):
        raise ExchangeError("not_http") from None
    finally:
        response.close()


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise ExchangeError("timeout")
    return left

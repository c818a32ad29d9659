"""A TLS server on the loopback that fails as requested.

Real sockets, real TLS, a thread for each connection. What it does with a connection is its ``mode``
(``tests/support/faults.py`` has one for each fault), which may be changed at any time::

    with FaultServer(tmp_path) as server:
        server.mode = faults.reply(503)
        ...  # a POST to server.url, trusting server.ca_pem_path, gets a 503
        assert server.requests[0].headers["x-telemetry-id"]
"""

import contextlib
import functools
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import trustme

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
_LESS_LONG_AGO = datetime(2002, 1, 1, tzinfo=UTC)
_FAR_AHEAD = datetime(2090, 1, 1, tzinfo=UTC)
_FARTHER_AHEAD = datetime(2091, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """What a client sent: header names in lower case, each value as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: str = ""
    """The request line and the headers as they came, without line ends."""


class Certificates:
    """A throw-away authority, and one server certificate for each way to be wrong, made when it is asked for."""

    def __init__(self) -> None:
        self.tls_1_1_only = _outdated()
        self.renew()

    def renew(self) -> None:
        """Be issued by another authority from now on."""
        self.authority = trustme.CA()
        self.good = _context(self.authority.issue_cert(_HOST, "localhost", "::1"))

    @property
    def expired(self) -> ssl.SSLContext:
        return _context(self.authority.issue_cert(_HOST, not_before=_LONG_AGO, not_after=_LESS_LONG_AGO))

    @property
    def not_yet_valid(self) -> ssl.SSLContext:
        return _context(self.authority.issue_cert(_HOST, not_before=_FAR_AHEAD, not_after=_FARTHER_AHEAD))

    @property
    def other_host(self) -> ssl.SSLContext:
        return _context(self.authority.issue_cert("somewhere-else.example"))

    @property
    def common_name_only(self) -> ssl.SSLContext:
        return _context(self.authority.issue_cert(common_name="localhost"))

    @property
    def unknown_authority(self) -> ssl.SSLContext:
        return _context(trustme.CA().issue_cert(_HOST))


class Visit:
    """One connection, for a mode to treat as it likes."""

    def __init__(self, server: "FaultServer", connected: socket.socket) -> None:
        self.server = server
        self.socket = connected

    def secure(self, context: ssl.SSLContext | None = None) -> None:
        """Use TLS, with the good certificate by default."""
        self.socket = (context or self.server.certificates.good).wrap_socket(self.socket, server_side=True)

    def read_request(self) -> ReceivedRequest:
        """Read a whole request and keep it in the server's list."""
        stream = self.socket.makefile("rb")
        head = [stream.readline().decode()]
        method, path, _ = head[0].split(" ")
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
            head.append(line)
        body = stream.read(int(headers.get("content-length", "0")))
        request = ReceivedRequest(method, path, headers, body, "\n".join(map(str.strip, head)))
        self.server.requests.append(request)
        return request

    def send(self, outgoing: bytes) -> None:
        """Send all at once."""
        self.socket.sendall(outgoing)

    def trickle(self, outgoing: bytes) -> None:
        """Send one byte now and then."""
        for position in range(len(outgoing)):
            self.send(outgoing[position : position + 1])
            self.pause()

    def pause(self) -> None:
        """Wait a moment, shorter when the server is being closed."""
        if self.server.closing.wait(_POLL_SECONDS):
            raise ConnectionAbortedError

    def hang(self) -> None:
        """Say nothing more until the other side hangs up."""
        while True:
            with contextlib.suppress(TimeoutError):
                self.socket.settimeout(_POLL_SECONDS)
                if not self.socket.recv(65_536):
                    return
            self.pause()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Mode = Callable[[Visit], None]


class FaultServer:
    """The server; use it as a context manager."""

    def __init__(self, folder: Path, mode: Mode | None = None) -> None:
        """Write the authority's certificate into ``folder``. Without a mode each connection is just closed."""
        self.certificates = Certificates()
        self.ca_pem_path = folder / "fault-server-ca.pem"
        self.certificates.authority.cert_pem.write_to_path(str(self.ca_pem_path))
        self.mode: Mode = mode or (lambda _: None)
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        """Connections accepted so far, whatever became of them."""
        self.closing = threading.Event()
        self._hang_ups = threading.Semaphore(0)
        # A port that is bound but not listened to refuses connections, and nobody else can take it meanwhile.
        self._reserved = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self._listener: socket.socket | None = None
        self._accepting = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://{_HOST}:{self.port}"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._accepting.set()
        self.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything and wait for the threads."""
        self.closing.set()
        self.refuse()
        self._reserved.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def refuse(self) -> None:
        """Refuse connections from now on."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.close()

    def listen(self) -> None:
        """Take connections (again)."""
        if self._listener is None:
            listener = _bound(self.port)
            listener.listen()
            listener.settimeout(_POLL_SECONDS)
            self._listener = listener

    def stop_accepting(self) -> None:
        """Leave connections in the kernel's queue: the client is connected, and nobody is there."""
        with self._lock:
            self._accepting.clear()

    def start_accepting(self) -> None:
        """Take up what waits in the queue."""
        self._accepting.set()

    def saw_a_hang_up(self) -> bool:
        """Whether a connection has ended; waits generously for it."""
        return self._hang_ups.acquire(timeout=30)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="fault-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            # Whoever holds the lock keeps everyone else out. The wait lets those take it who want to.
            with self._lock:
                if self._listener is not None and self._accepting.is_set():
                    self._accept_one(self._listener)
            self.closing.wait(_POLL_SECONDS / 10)

    def _accept_one(self, listener: socket.socket) -> None:
        with contextlib.suppress(TimeoutError):  # Nobody came.
            connected, _ = listener.accept()
            connected.settimeout(30)
            self.connections += 1
            self._start(self._serve, connected)

    def _serve(self, connected: socket.socket) -> None:
        visit = Visit(self, connected)
        # However a client ends a connection, it is what the mode was waiting for.
        with contextlib.suppress(OSError, ValueError):
            self.mode(visit)
        with contextlib.suppress(OSError):
            visit.socket.close()
        connected.close()
        self._hang_ups.release()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((_HOST, port))
    return bound


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@functools.cache
def _outdated() -> ssl.SSLContext:
    """Return a context that knows nothing newer than TLS 1.1, which OpenSSL 3 offers at security level 0 only.

    One serves all: nobody comes as far as its certificate.
    """
    context = _context(trustme.CA().issue_cert(_HOST))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # That these versions are outdated is the point.
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context

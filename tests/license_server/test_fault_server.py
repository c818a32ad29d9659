"""The fault server does on the wire what the names of its modes say: a plain TLS client of this file looks.

Otherwise a test of a fault could pass because of another one.
"""

import gzip
import socket
import ssl
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

import pytest

from tests.license_server.conftest import API_KEY
from tests.support import faults
from tests.support.fault_server import FaultServer, Mode

REQUEST = b"POST /v1/telemetry HTTP/1.1\r\nHost: x\r\nX-Telemetry-Id: 1\r\nContent-Length: 2\r\n\r\n{}"
BOUND = 64 * 1024
"""As much as the service reads of a response."""

PATIENT, BRIEF = 30.0, 0.5
"""Seconds: for what comes, and for what must not come (a slow machine only makes that look easier)."""

_OLD_CIPHERS = "DEFAULT:@SECLEVEL=0"


@dataclass(frozen=True)
class Seen:
    """What came, and how the connection ended: ``closed``, ``reset``, or ``more`` was to come."""

    pieces: list[bytes]
    end: str

    @property
    def everything(self) -> bytes:
        """All that came."""
        return b"".join(self.pieces)


@contextmanager
def connected(server: FaultServer, seconds: float) -> Iterator[socket.socket]:
    with connect(server) as connection:
        connection.settimeout(seconds)
        yield connection


def connect(server: FaultServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENT)


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Line:
    """TLS over a plain socket that is looked at itself: Python's own TLS socket takes some resets for an end."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = unverified().wrap_bio(self._incoming, self._outgoing)

    def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._plain.sendall(self._outgoing.read())
                self._incoming.write(self._plain.recv(65_536))
            else:
                self._plain.sendall(self._outgoing.read())
                return

    def send(self, outgoing: bytes) -> None:
        self._tls.write(outgoing)
        self._plain.sendall(self._outgoing.read())

    def receive(self) -> bytes:
        """Return what one record holds, or nothing at the end."""
        while True:
            try:
                return self._tls.read(65_536)
            except ssl.SSLWantReadError:
                received = self._plain.recv(65_536)
                if not received:
                    return b""
                self._incoming.write(received)


def listen(receive: Callable[[], bytes], most_pieces: int) -> Seen:
    """Read until the end, or as much as is enough."""
    pieces: list[bytes] = []
    try:
        while len(pieces) < most_pieces:
            piece = receive()
            if not piece:
                return Seen(pieces, "closed")
            pieces.append(piece)
    except (ConnectionResetError, BrokenPipeError):
        return Seen(pieces, "reset")
    return Seen(pieces, "more")


def ask(server: FaultServer, mode: Mode, most_pieces: int = 1_000) -> Seen:
    """Shake hands, send a request and listen."""
    server.mode = mode
    with connected(server, PATIENT) as plain:
        line = Line(plain)
        line.shake_hands()
        try:
            line.send(REQUEST)
        except (ConnectionResetError, BrokenPipeError):
            return Seen([], "reset")
        return listen(line.receive, most_pieces)


@pytest.mark.parametrize(("mode", "end"), [(faults.hang_up_at_once, "closed"), (faults.reset_at_once, "reset")])
def test_before_tls_it_closes_or_resets(server: FaultServer, mode: Mode, end: str) -> None:
    server.mode = mode
    with ExitStack() as opened:
        # An immediate reset may happen before the connecting call returns, which then raises it.
        connection = cache(lambda: opened.enter_context(connect(server)))
        assert listen(lambda: connection().recv(1), 1) == Seen([], end)


@pytest.mark.parametrize("mode", [faults.hang_at_tls, faults.hang_within_tls])
def test_in_the_handshake_it_hangs(server: FaultServer, mode: Mode) -> None:
    server.mode = mode
    with connected(server, BRIEF) as plain, pytest.raises(TimeoutError):
        unverified().wrap_socket(plain)


@pytest.mark.parametrize(
    ("mode", "requests_read", "sent", "end"),
    [
        (faults.reset_before_reading, 0, b"", "reset"),
        (faults.reset_after_reading, 1, b"", "reset"),
        (faults.die_after_reading, 1, b"", "closed"),
        (faults.die_in_the_head, 1, b"HTTP/1.1 200 OK\r\nContent-Type: appl", "closed"),
        (faults.die_in_the_body, 1, b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"transmission_id":', "closed"),
    ],
)
def test_within_tls_it_resets_or_closes_before_and_after_reading_and_responding(
    server: FaultServer, mode: Mode, requests_read: int, sent: bytes, end: str
) -> None:
    seen = ask(server, mode)
    assert (seen.everything, seen.end, len(server.requests)) == (sent, end, requests_read)


@pytest.mark.parametrize(
    ("mode", "requests_read", "sent"),
    [
        (faults.never_read, 0, b""),
        (faults.hang_before_headers, 1, b""),
        (faults.hang_mid_headers, 1, b"HTTP/1.1 200 OK\r\nContent-Type: appl"),
        (faults.hang_mid_body, 1, b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"transmission_id":'),
    ],
)
def test_within_tls_it_hangs_before_and_in_its_response(
    server: FaultServer, mode: Mode, requests_read: int, sent: bytes
) -> None:
    server.mode = mode
    with connected(server, PATIENT) as plain:
        line = Line(plain)
        line.shake_hands()
        line.send(REQUEST)
        assert b"".join(line.receive() for _ in range(1 if sent else 0)) == sent
        for _ in range(1_000):
            if len(server.requests) == requests_read:
                break
            time.sleep(0.03)
        plain.settimeout(BRIEF)
        with pytest.raises(TimeoutError):
            line.receive()
    assert len(server.requests) == requests_read


@pytest.mark.parametrize("mode", [faults.trickle, faults.trickle_the_body, faults.trickle_interim_responses])
def test_it_trickles_byte_by_byte(server: FaultServer, mode: Mode) -> None:
    pieces = ask(server, mode, most_pieces=12).pieces
    heads = 1 if mode is faults.trickle_the_body else 0
    assert [len(piece) for piece in pieces[heads:]] == [1] * (12 - heads)


@pytest.mark.parametrize(
    "mode", [faults.endless_interim_responses, faults.endless_headers, faults.endless_body, faults.refuse_endlessly]
)
def test_it_goes_on_without_an_end(server: FaultServer, mode: Mode) -> None:
    seen = ask(server, mode, most_pieces=400)
    assert seen.end == "more"
    assert len(seen.everything) > 4 * BOUND
    assert (b"\r\n\r\n" in seen.everything) is (mode is not faults.endless_headers)


def test_a_huge_response_begins_with_an_acceptance(server: FaultServer) -> None:
    seen = ask(server, faults.huge_body)
    assert len(seen.everything) > 16 * BOUND
    assert b'"status": "accepted"' in seen.everything[:1_000]


def test_a_bomb_is_small_until_it_is_unpacked(server: FaultServer) -> None:
    head, _, body = ask(server, faults.compressed_bomb).everything.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert len(body) < BOUND, "so it is not its size that it is refused for"
    assert len(zlib.decompress(body, wbits=31)) > 100 * BOUND
    assert b'"status": "accepted"' in gzip.decompress(body)[:1_000]


def test_an_echo_has_the_key_in_every_place(server: FaultServer) -> None:
    head, _, body = ask(server, faults.echo(API_KEY)).everything.partition(b"\r\n\r\n")
    reason, *headers = head.decode().split("\r\n")
    assert API_KEY in reason
    assert sum(API_KEY in header for header in headers) == 2
    assert body == API_KEY.encode()


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [
        (faults.certificate_expired, 10),
        (faults.certificate_not_yet_valid, 9),
        (faults.certificate_of_another_host, 64),
        (faults.certificate_of_unknown_authority, 20),
    ],
)
def test_each_wrong_certificate_is_wrong_in_its_own_way(server: FaultServer, mode: Mode, verdict: int) -> None:
    """The verdicts are OpenSSL's own (X509_V_ERR_…)."""
    context = ssl.create_default_context(cafile=str(server.ca_pem_path))
    server.mode = faults.accept
    with connected(server, PATIENT) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as good:
        assert good.version() == "TLSv1.3"
    server.mode = mode
    with connected(server, PATIENT) as plain, pytest.raises(ssl.SSLCertVerificationError) as refused:
        context.wrap_socket(plain, server_hostname="127.0.0.1")
    assert refused.value.verify_code == verdict


def test_it_knows_tls_1_1_and_nothing_newer(server: FaultServer) -> None:
    server.mode = faults.tls_1_1_only
    outdated = unverified()
    outdated.set_ciphers(_OLD_CIPHERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        outdated.minimum_version = ssl.TLSVersion.TLSv1_1
        outdated.maximum_version = ssl.TLSVersion.TLSv1_1
    with connected(server, PATIENT) as plain, outdated.wrap_socket(plain) as secured:
        assert secured.version() == "TLSv1.1"
    with connected(server, PATIENT) as plain, pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        unverified().wrap_socket(plain)

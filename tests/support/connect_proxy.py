"""A proxy on the loopback that tunnels (HTTP CONNECT), or fails as requested."""

import contextlib
import selectors
import socket
import ssl
from pathlib import Path

from tests.support.fault_server import FaultServer, Mode, Visit

_CHUNK = 65_536


def proxy(folder: Path, mode: Mode) -> FaultServer:
    """Return a proxy that is not listening yet; it is a fault server with modes of its own."""
    folder.mkdir()
    return FaultServer(folder, mode)


def tunnel(visit: Visit) -> None:
    """Connect to where the client wants to go, and pass everything on."""
    host, _, port = visit.read_request().path.rpartition(":")
    _connect(visit, host, int(port))


def tunnel_home(visit: Visit) -> None:
    """Do the same, and take every host for this machine."""
    _connect(visit, "127.0.0.1", int(visit.read_request().path.rpartition(":")[2]))


def _connect(visit: Visit, host: str, port: int) -> None:
    with socket.create_connection((host, port)) as onward:
        visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        _relay(visit.socket, onward)


def tunnel_over_tls(visit: Visit) -> None:
    """Do the same, where the proxy itself is spoken to over TLS."""
    visit.secure()
    tunnel(visit)


def tunnel_to_nowhere(visit: Visit) -> None:
    """Say that it is connected, and pass nothing on."""
    visit.read_request()
    visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    visit.hang()


def ask_for_a_password(visit: Visit) -> None:
    """Refuse the user name and password, or that there are none."""
    visit.read_request()
    visit.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


def forbid(visit: Visit) -> None:
    """Let nobody go there."""
    visit.read_request()
    visit.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


def hang_up_on_connect(visit: Visit) -> None:
    """Die instead of tunnelling."""
    visit.read_request()


def speak_no_http(visit: Visit) -> None:
    """Respond to the CONNECT with something that is not HTTP."""
    visit.read_request()
    visit.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


def trickle_the_tunnel(visit: Visit) -> None:
    """Respond to the CONNECT one byte at a time, with headers that never end."""
    visit.read_request()
    visit.send(b"HTTP/1.1 200 Connection established\r\n")
    while True:
        visit.trickle(b"X-More: more\r\n")


def _relay(caller: socket.socket, onward: socket.socket) -> None:
    """Pass on both ways until a side ends; in one thread, for two must not use one TLS connection at the same time."""
    partner = {caller: onward, onward: caller}
    with contextlib.suppress(OSError), selectors.DefaultSelector() as ready:  # select() takes no number above 1023.
        for side in partner:
            ready.register(side, selectors.EVENT_READ, side)
        while True:
            held_back = [side for side in partner if isinstance(side, ssl.SSLSocket) and side.pending()]
            for side in held_back or [key.data for key, _ in ready.select()]:
                received = side.recv(_CHUNK)
                if not received:
                    return
                partner[side].sendall(received)

"""Listens before anything else happens, so that a port in use is told in a sentence and at once."""

import errno
import socket

from telemetry_service.domain.errors import TelemetryError

_BACKLOG = 2048


class CannotListenError(TelemetryError):
    """The address cannot be listened on."""

    code = "cannot-listen"
    sentence = "The address cannot be listened on."


class PortInUseError(CannotListenError):
    """Somebody else listens there."""

    code = "port-in-use"
    sentence = "The port is in use already; choose another one with --port."


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 lets the system choose one.

    Raises:
        CannotListenError: the address is taken, not ours, or none.

    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} is in use already; choose another one with --port."
            raise PortInUseError(message) from None
        if error.errno == errno.EACCES:
            message = f"Port {port} may not be used by this account; choose one above 1023 with --port."
            raise CannotListenError(message) from None
        message = f"{host} is not an address of this machine."
        raise CannotListenError(message) from None


def bound_to(listener: socket.socket) -> str:
    """Return the address and port that a listener is really bound to: ``0.0.0.0:8080`` is every IPv4 address."""
    host, port = listener.getsockname()[:2]
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"

"""Listens before anything else happens, so that a port in use is reported at once, in a sentence."""

import errno
import socket
from ipaddress import ip_address

from telemetry_service.domain.errors import TelemetryError

_BACKLOG = 2048
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - chosen explicitly with --host
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


class CannotListenError(TelemetryError):
    """The service cannot listen on the address."""

    code = "cannot-listen"
    sentence = "Cannot listen on this address."


class PortInUseError(CannotListenError):
    """Another process listens there."""

    code = "port-in-use"
    sentence = "The port is already in use; choose another one with --port."


def listen(host: str, port: int, chosen_with: str = "--port") -> socket.socket:
    """Return a listening socket; port 0 lets the system choose one. ``::`` is every address of both families.

    ``chosen_with`` is the option or the setting to name if the port cannot be used.

    Raises:
        CannotListenError: the address is taken, not local, or invalid.
    """
    try:
        if host == _EVERY_IPV6:
            return _listen_on_everything(port)
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _refusal(error, host, port, chosen_with) from None


def _listen_on_everything(port: int) -> socket.socket:
    """Listen on IPv4 and IPv6 with one socket; only on IPv4 if the system has no IPv6."""
    try:
        return socket.create_server((_EVERY_IPV6, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
    except ValueError:  # The system cannot serve both with one socket.
        pass
    return socket.create_server((_EVERY_IPV4, port), backlog=_BACKLOG)


def _refusal(error: OSError, host: str, port: int, chosen_with: str) -> CannotListenError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"Port {port} is already in use; choose another one with {chosen_with}.")
    if error.errno == errno.EACCES:
        return CannotListenError(f"This account may not use port {port}; choose one above 1023 with {chosen_with}.")
    return CannotListenError(f"{host} is not an address of this machine.")


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach a listener."""
    return ip_address(str(listener.getsockname()[0]).partition("%")[0]).is_loopback


def bound_to(listener: socket.socket) -> str:
    """Return the address and port that a listener is actually bound to.

    ``0.0.0.0:8080`` is every IPv4 address, ``[::]:8080`` every address of both families.
    """
    host, port = listener.getsockname()[:2]
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    host = {_EVERY_IPV4: "127.0.0.1", _EVERY_IPV6: "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"

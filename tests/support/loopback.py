"""The guard that no test, and nothing that a test calls, reaches the world outside this machine."""

import ipaddress
import socket
import sys
import threading

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class LoopbackGuard:
    """Refuses and remembers each attempt of this process to leave the machine.

    It listens to the interpreter's own audit events, so no module has to be replaced. What a child process
    or a C library does is beyond it.
    """

    def __init__(self) -> None:
        """Begin to listen; an audit hook stays until the process ends."""
        self._lock = threading.Lock()
        self._refused: list[str] = []
        sys.addaudithook(self._listen)

    def take_refused(self) -> list[str]:
        """Return the addresses that were refused since the last call."""
        with self._lock:
            refused, self._refused = self._refused, []
        return refused

    def _listen(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _EVENTS:
            return
        address = arguments[1]
        if isinstance(address, tuple) and not is_loopback(str(address[0])):
            with self._lock:
                self._refused.append(str(address[0]))
            message = "A test tried to leave this machine."
            raise PermissionError(message)


def is_loopback(host: str) -> bool:
    """Whether a socket address names this machine itself, without asking any name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def free_port() -> int:
    """Return a port of this machine that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

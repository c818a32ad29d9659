"""A network and a file system view of one's own: name servers, routes and hosts that a test chooses, without root.

The process in it (``enter``) sees one interface, the loopback. It has an IPv4 address besides 127.0.0.1, like a machine
with a network, and is the route to everywhere, so that whatever is sent anywhere can be seen on it.
"""

import contextlib
import ctypes
import fcntl
import functools
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

_UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child")
_AS_ROOT_THERE = ("--user", "--map-root-user")
"""So that no root is needed. Who has its rights anyway keeps them, and may read the files of other users."""
_SET_FLAGS, _SET_ADDRESS, _ADD_ROUTE = 0x8914, 0x8916, 0x890B
_UP = 0x1
OWN_ADDRESS = "192.0.2.1"
_CONFIGURATION = {
    "resolv.conf": "nameserver 127.0.0.1\nsearch cluster.example corp.example\noptions ndots:5 timeout:2 attempts:1\n",
    "nsswitch.conf": "hosts: files dns\n",
    "hosts": "127.0.0.1 localhost listed.example\n",
}


def enter(*command: str) -> list[str]:
    """Return the command that runs another one in there."""
    return [*_UNSHARE, *(() if keeps_users() else _AS_ROOT_THERE), *command]


@functools.cache
def keeps_users() -> bool:
    """Whether the process in there has the rights of the one out here, which takes those of root."""
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def can_enter() -> bool:
    """Whether this system lets a process have a network of its own, which some containers and kernels forbid."""
    if shutil.which(_UNSHARE[0]) is None:
        return False
    return subprocess.run(enter("true"), capture_output=True, check=False).returncode == 0


def furnish(folder: Path) -> None:
    """Bring the loopback up, and put the files of the resolver in place. To be called in there, once."""
    with socket.socket() as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))
        fcntl.ioctl(control, _SET_ADDRESS, struct.pack("16s16s8x", b"lo:1", _socket_address(OWN_ADDRESS)))
        _route_everything_to_the_loopback(control)
    for name, content in _CONFIGURATION.items():
        (folder / name).write_text(content)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)  # noqa: S607 - the system's


def _socket_address(address: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def _route_everything_to_the_loopback(control: socket.socket) -> None:
    everywhere, device = _socket_address("0.0.0.0"), ctypes.create_string_buffer(b"lo")  # noqa: S104 - no listener
    addresses = everywhere, everywhere, everywhere  # The destination, the gateway, and the mask.
    # struct rtentry of <net/route.h>
    route = struct.pack("L16s16s16sHhLLhPLLH", 0, *addresses, _UP, 0, 0, 0, 0, ctypes.addressof(device), 0, 0, 0)
    fcntl.ioctl(control, _ADD_ROUTE, route)


class NameServer:
    """Knows names, all at 127.0.0.1, and that no other name exists; use it as a context manager."""

    def __init__(self, names: Collection[str]) -> None:
        """Listen where ``furnish`` sends the resolver."""
        self._names = {b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) for name in names}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                query, caller = self._socket.recvfrom(512)
                self._socket.sendto(self._response(query), caller)

    def _response(self, query: bytes) -> bytes:
        name, _, rest = query[12:].partition(b"\0")
        question = name + b"\0" + rest[:4]
        if name.lower() not in self._names:
            return query[:2] + bytes.fromhex("8183 0001 0000 0000 0000") + question
        if rest[:2] != b"\0\1":
            return query[:2] + bytes.fromhex("8180 0001 0000 0000 0000") + question
        address = bytes.fromhex("c00c 0001 0001 00000001 0004") + socket.inet_aton("127.0.0.1")
        return query[:2] + bytes.fromhex("8180 0001 0001 0000 0000") + question + address

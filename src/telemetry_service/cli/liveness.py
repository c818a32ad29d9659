"""The container's health check: does a process on this machine respond? It loads nothing of the service."""

import sys
import urllib.error
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

_TIMEOUT_SECONDS = 2
"""For each address. There are rarely more than two, and containers give the probe 5 seconds."""

_LOOPBACKS = ("127.0.0.1", "::1")
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_IPV4_DIGITS = 8


def is_alive(port: int, host: str | None = None) -> bool:
    """Whether the service on a local port responds, at ``host`` or wherever it listens."""
    return any(_responds(address, port) for address in ([host] if host else listening_on(port)))


def listening_on(port: int) -> list[str]:
    """Return the addresses at which this machine reaches the listener on a port.

    If the system does not list them (it is not Linux), return the loopback addresses of both families.
    """
    listed = (address for table in _TABLES for address in _listed(table, port))
    found = dict.fromkeys(reached for address in listed for reached in _reached_at(address))
    return list(found) or list(_LOOPBACKS)


def _listed(table: Path, port: int) -> list[IPv4Address | IPv6Address]:
    """Return the local addresses of the lines that listen on ``port`` (proc(5), /proc/net/tcp)."""
    with suppress(OSError, ValueError, IndexError):
        lines = [line.split() for line in table.read_text().splitlines()[1:]]
        locals_ = [line[1].split(":") for line in lines if line[3] == _LISTENS]
        return [_address(digits) for digits, number in locals_ if int(number, 16) == port]
    return []


def _address(digits: str) -> IPv4Address | IPv6Address:
    """Return an address from words of four bytes, each in this machine's order."""
    words = (digits[at : at + _IPV4_DIGITS] for at in range(0, len(digits), _IPV4_DIGITS))
    return ip_address(b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words))


def _reached_at(address: IPv4Address | IPv6Address) -> tuple[str, ...]:
    if not address.is_unspecified:
        return (str(address),)
    # An IPv6 socket also serves IPv4, even if the system has no IPv6 loopback.
    return _LOOPBACKS if isinstance(address, IPv6Address) else _LOOPBACKS[:1]


def _responds(host: str, port: int) -> bool:
    # The environment's proxies must not be used for a local port.
    opener = build_opener(ProxyHandler({}))
    try:
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
            return bool(response.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError, ValueError):
        return False

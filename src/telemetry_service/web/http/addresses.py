"""The addresses of callers, in one notation, however the socket or a proxy writes them, and compared by value."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address

_SITE_BITS = 64
"""A caller with an IPv6 address also has the rest of its /64, so all of it counts as one caller."""


def read_address(text: str) -> Address | None:
    """Return an address, which may have a port or brackets, or None if it is not one.

    A socket that serves both families reports an IPv4 peer as ``::ffff:10.0.0.1``; this returns the IPv4 address.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def canonical(text: str) -> str:
    """Return the canonical notation of an address; other text is returned unchanged."""
    return str(read_address(text) or text)


def caller_address(scope: Scope) -> str | None:
    """Return the address that a request came from, if need be as reported by a trusted proxy; None if unknown."""
    client = scope.get("client")
    return str(client[0]) if client else None


def caller_group(text: str) -> str:
    """Return the caller that an address belongs to: itself, or the /64 of an IPv6 address."""
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _SITE_BITS), strict=False))
    return str(address or text)


class TrustedProxies:
    """The addresses and networks whose ``X-Forwarded-*`` headers are trusted."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Accept addresses and networks, as ``ipaddress.ip_network`` does."""
        self._networks = tuple(ip_network(network) for network in networks)

    def __contains__(self, text: str) -> bool:
        """Whether this address is a trusted proxy's."""
        address = read_address(text)
        return address is not None and any(address in network for network in self._networks)

"""The addresses of callers, in one notation, however the socket or a proxy writes them."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_SITE_BITS = 64
"""A caller with an IPv6 address also has the rest of its /64, so all of it counts as one caller."""

_NETWORK_BITS = 48
"""One customer of a provider usually has so much: 65,536 callers."""

_PROXIES_AT_MOST = 16
"""In a network that has nothing else: a larger one may have people in it, too."""


@lru_cache(128)  # Each request reads the same few addresses several times.
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


def caller_group(text: str) -> str:
    """Return the caller that an address belongs to: itself, or the /64 of an IPv6 address."""
    return _wider(text, _SITE_BITS)


def caller_network(text: str) -> str:
    """Return the network that a caller can have many addresses of: the /48 of an IPv6 address, or an IPv4 address."""
    return _wider(text, _NETWORK_BITS)


def _wider(text: str, bits: int) -> str:
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, bits), strict=False))
    return str(address or text)


def may_hold_people(network: str) -> bool:
    """Whether a network of trusted proxies is so large that people may be in it. Those of the loopback are on the host.

    Where a proxy appends to ``X-Forwarded-For``, a person with a trusted address chooses the one that counts.
    """
    found = ip_network(network)
    return found.num_addresses > _PROXIES_AT_MOST and not found.is_loopback

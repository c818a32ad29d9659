"""Where a request comes from, and which proxies are trusted to say so."""

from collections.abc import Iterable
from ipaddress import ip_network

from starlette.types import Scope

from telemetry_service.domain.addresses import read_address


def canonical(text: str) -> str:
    """Return the canonical notation of an address; other text is returned unchanged."""
    return str(read_address(text) or text)


def caller_address(scope: Scope) -> str | None:
    """Return the address that a request came from, if need be as reported by a trusted proxy; None if unknown."""
    client = scope.get("client")
    return str(client[0]) if client else None


class TrustedProxies:
    """The addresses and networks whose ``X-Forwarded-*`` headers are trusted."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Accept addresses and networks, as ``ipaddress.ip_network`` does."""
        self._networks = tuple(ip_network(network) for network in networks)

    def __contains__(self, text: str) -> bool:
        """Whether this address is a trusted proxy's."""
        address = read_address(text)
        return address is not None and any(address in network for network in self._networks)

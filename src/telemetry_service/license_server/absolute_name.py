"""The name of the License Server as the resolver gets it: complete, so that it adds no search domain.

Without a final dot, a resolver may first ask for the name below each of its search domains (in Kubernetes, ``ndots:5``
makes it ask three to six times). The name servers of those domains would learn where this installation sends.
"""

import socket
from pathlib import Path

_HOSTS_FILE = Path("/etc/hosts")


def absolute_name(host: str, hosts_file: Path = _HOSTS_FILE) -> str:
    """Return ``host`` with a final dot, unless it is an IP address or a name in the hosts file.

    That file has names without the dot, compares them literally, and is read before a name server is asked.
    """
    if host.endswith(".") or _is_address(host) or host.lower() in _names_in(hosts_file):
        return host
    return f"{host}."


def _is_address(host: str) -> bool:
    """Return whether the resolver takes it as an address, including the short forms of IPv4 such as ``127.1``."""
    if ":" in host:
        return True
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _names_in(hosts_file: Path) -> frozenset[str]:
    try:
        lines = hosts_file.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(name.lower() for line in lines for name in line.partition("#")[0].split()[1:])

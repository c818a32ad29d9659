"""How this process is connected to its database."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection

_VERIFYING = ("verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Link:
    """A connection to a database server as established, regardless of what the URL asked for."""

    encrypted: bool
    verified: bool
    """Whether the server's certificate was verified, so that nothing in between can impersonate it."""
    leaves_this_machine: bool


def link_of(connection: Connection) -> Link | None:
    """Return the connection to the server; None if the database is a file."""
    if connection.dialect.name == "sqlite":
        return None
    driver: Any = connection.connection.driver_connection
    encrypted = bool(driver.pgconn.ssl_in_use)
    return Link(
        encrypted=encrypted,
        verified=encrypted and driver.info.get_parameters().get("sslmode") in _VERIFYING,
        leaves_this_machine=not (driver.info.host.startswith("/") or _is_loopback(driver.info.hostaddr)),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False

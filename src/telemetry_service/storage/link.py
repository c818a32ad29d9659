"""What is between this process and its database."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection

_VERIFYING = ("verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Link:
    """A connection to a database server, as it came about, whatever the URL asked for."""

    encrypted: bool
    verified: bool
    """Whether the server's certificate was verified, so that no one in between can be taken for it."""
    leaves_this_machine: bool


def link_of(connection: Connection) -> Link | None:
    """Return what is between us and the server; None where the database is a file."""
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

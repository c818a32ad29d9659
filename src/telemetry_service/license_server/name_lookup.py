"""Resolves names without waiting for a resolver that hangs.

The system's resolver cannot be interrupted. It runs in a daemon thread: a thread of the event loop, or of anyio, would
keep the loop or the whole process from ending for as long as the resolver hangs.
"""

import asyncio
import socket
from concurrent.futures import Future
from threading import Thread

from telemetry_service.domain.causes import Cause
from telemetry_service.license_server.exchange_error import ExchangeError


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of ``host``, at least one.

    Raises:
        ExchangeError: the name is unknown.
    """
    found: Future[list[str]] = Future()
    Thread(target=_resolve, args=(host, port, found), name="license-server-name", daemon=True).start()
    try:
        return await asyncio.wrap_future(found)
    except (OSError, UnicodeError):  # UnicodeError: a label that is not valid in DNS.
        raise ExchangeError(Cause.NAME_NOT_RESOLVED) from None


def _resolve(host: str, port: int, found: "Future[list[str]]") -> None:
    # From here on it cannot be canceled, so its result can always be delivered.
    found.set_running_or_notify_cancel()
    try:
        found.set_result(_addresses(host, port))
    except (OSError, UnicodeError) as error:
        found.set_exception(error)


def _addresses(host: str, port: int) -> list[str]:
    # Only a name server responds to a complete name. It is asked only for the kinds of addresses that this machine has:
    # one question instead of two. Any other name may be in a file: the `::1` of `localhost` always works.
    flags = socket.AI_ADDRCONFIG if host.endswith(".") else 0
    return [str(target[0]) for *_, target in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]

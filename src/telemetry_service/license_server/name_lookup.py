"""From a name to a connected socket, within the deadline.

The system's resolver cannot be given a time limit, so it is asked in a thread of its own; one that
hangs is left behind and ends with the resolver's own time-out.
"""

import socket
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.outcome import Cause
from telemetry_service.license_server.exchange import Exchange

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def connect(host: str, port: int, exchange: Exchange) -> socket.socket:
    """Return a socket connected to the first address of ``host`` that answers.

    Raises:
        ExchangeError: no name, no answer, or no time left.

    """
    exchange.reach(StepName.NAME)
    addresses = look_up(host, port, exchange)
    exchange.reach(StepName.TCP)
    failure = Cause.CONNECTION_FAILED
    for position, address in enumerate(addresses):
        # An address that swallows everything must leave time for the others.
        share = exchange.remaining() / (len(addresses) - position)
        dialled = _dial(address, share)
        if isinstance(dialled, socket.socket):
            return dialled
        failure = dialled
    raise exchange.fault(failure)


def look_up(host: str, port: int, exchange: Exchange) -> list[Address]:
    """Return the addresses of ``host``, at least one.

    Raises:
        ExchangeError: the name is not known, or the resolver takes too long.

    """
    answers: SimpleQueue[list[Address]] = SimpleQueue()
    Thread(target=_ask, args=(host, port, answers), name="license-server-name", daemon=True).start()
    try:
        addresses = answers.get(timeout=exchange.remaining())
    except Empty:
        raise exchange.fault(Cause.DEADLINE_EXCEEDED) from None
    if not addresses:
        raise exchange.fault(Cause.NAME_NOT_RESOLVED)
    return addresses


def _ask(host: str, port: int, answers: "SimpleQueue[list[Address]]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # UnicodeError: a label that no DNS name can have.
        found = []
    answers.put([(family, address) for family, _, _, _, address in found])


def _dial(address: Address, seconds: float) -> socket.socket | Cause:
    family, target = address
    try:
        dialled = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return Cause.CONNECTION_FAILED
    try:
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialled.settimeout(seconds)
        dialled.connect(target)
    except TimeoutError:
        cause = Cause.DEADLINE_EXCEEDED
    except ConnectionRefusedError:
        cause = Cause.CONNECTION_REFUSED
    except ConnectionResetError:  # It was connected, and then broken, before this side had looked.
        cause = Cause.CONNECTION_LOST
    except OSError:
        cause = Cause.CONNECTION_FAILED
    else:
        return dialled
    dialled.close()
    return cause

"""Limits how long the database may take, by the monotonic clock, so that no call waits forever."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from telemetry_service.domain.errors import StorageUnavailableError


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of one transaction, in seconds."""

    transaction: float
    """From the request to begin, including the wait for a connection, to the end of the commit."""
    statement: float
    """The limit passed to the server, so that it stops working for a client that is gone. 0 means no limit."""
    lock: float
    """How long to wait for another transaction's lock."""


ORDINARY = Patience(transaction=15, statement=15, lock=10)
"""The limits of every transaction except a migration."""

MIGRATING = Patience(transaction=1800, statement=0, lock=600)
"""Migrating a large database takes a while. On PostgreSQL, a process that starts meanwhile waits for it to end."""

CALL_SECONDS = 25
"""What all transactions of one call may take together, so that it gets a response within the documented 30 seconds."""


@dataclass(slots=True)
class _Allowance:
    seconds_left: float


_allowance: ContextVar[_Allowance | None] = ContextVar("allowance", default=None)
_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class Deadline:
    """The time by which one transaction ends, whatever happens."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self.ends_at = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """The remaining seconds, at least 0."""
        return seconds_until(self.ends_at)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Apply this deadline to whatever opens or takes a connection within the block."""
        token = _ends_at.set(self.ends_at)
        try:
            yield
        finally:
            _ends_at.reset(token)


@contextmanager
def one_call(seconds: float = CALL_SECONDS) -> Iterator[None]:
    """Limit the total time of all transactions within the block, including those in its worker threads."""
    token = _allowance.set(_Allowance(seconds))
    try:
        yield
    finally:
        _allowance.reset(token)


@contextmanager
def transaction_deadline() -> Iterator[Deadline]:
    """Limit one transaction by its own deadline and by the remaining time of the call.

    Raises:
        StorageUnavailableError: no time is left; many slow responses are as bad as none.
    """
    allowance = _allowance.get()
    seconds = ORDINARY.transaction if allowance is None else min(ORDINARY.transaction, allowance.seconds_left)
    if seconds <= 0:
        raise StorageUnavailableError
    deadline = Deadline(seconds)
    try:
        yield deadline
    finally:
        if allowance is not None:
            allowance.seconds_left -= seconds - (deadline.ends_at - time.monotonic())


def seconds_until(moment: float) -> float:
    """Return the seconds until a time of the monotonic clock, at least 0."""
    return max(moment - time.monotonic(), 0.0)


def ends_at(patience: Patience) -> float:
    """Return when the present transaction ends; without a deadline, when one that begins now would end."""
    moment = _ends_at.get()
    return time.monotonic() + patience.transaction if moment is None else moment

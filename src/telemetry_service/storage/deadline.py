"""How long the database may take, by a clock that nobody sets: whatever it does or does not, no call waits for ever."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from telemetry_service.domain.errors import StorageUnavailableError


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of one transaction, in seconds."""

    transaction: float
    """From the wish to begin, with the wait for a connection, to the end of the commit."""
    statement: float
    """What the server is told, so that it does not work on for someone who is gone. 0 is no bound."""
    lock: float
    """How long to wait for someone else's lock."""


ORDINARY = Patience(transaction=15, statement=15, lock=10)
"""The bounds of every transaction but a migration's."""

MIGRATING = Patience(transaction=1800, statement=0, lock=600)
"""A large database takes its time; and who starts meanwhile waits for who migrates."""

CALL_SECONDS = 25
"""What all transactions of one call may take together, so that it is answered within the 30 seconds of the docs."""


@dataclass(slots=True)
class _Allowance:
    seconds_left: float


_allowance: ContextVar[_Allowance | None] = ContextVar("allowance", default=None)
_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class Deadline:
    """The moment at which one transaction ends, come what may."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self.ends_at = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """How long it is until then; never less than nothing."""
        return seconds_until(self.ends_at)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let what is called within, and makes or takes a connection, go by this deadline."""
        token = _ends_at.set(self.ends_at)
        try:
            yield
        finally:
            _ends_at.reset(token)


@contextmanager
def one_call(seconds: float = CALL_SECONDS) -> Iterator[None]:
    """Let all transactions within, also in threads that work for it, have so much time together and no more."""
    token = _allowance.set(_Allowance(seconds))
    try:
        yield
    finally:
        _allowance.reset(token)


@contextmanager
def transaction_deadline() -> Iterator[Deadline]:
    """Bound one transaction by itself and by what is left of the call's time.

    Raises:
        StorageUnavailableError: no time is left; many slow answers are as bad as none.
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
    """Return the seconds until a moment of the monotonic clock; never less than nothing."""
    return max(moment - time.monotonic(), 0.0)


def ends_at(patience: Patience) -> float:
    """Return the moment at which the present transaction ends; without a deadline, one that begins now."""
    moment = _ends_at.get()
    return time.monotonic() + patience.transaction if moment is None else moment

"""Slows down guessing, without letting a stranger lock anyone out.

Wrong passwords are counted for each source: a caller's address, a browser that has logged in before, or a session. So
what strangers do never blocks a known browser or an open session. If strangers fail often in total, as in an attack
from many addresses, each address has one try at a time; a new address still has its first one.

One caller can have thousands of IPv6 addresses, so failures are counted for their network, too. That blocks no one: it
says who waits where there is no room for all (``web/http/pools.py``).
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from telemetry_service.domain.addresses import caller_group, caller_network
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import LoginThrottledError, RevealThrottledError, StorageUnavailableError
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.attempt_counts import ADDRESS, Counted
from telemetry_service.storage.database import Database, Transaction

FREE_FAILURES = 5
FIRST_BLOCK = timedelta(seconds=30)
LONGEST_BLOCK = timedelta(minutes=15)
_DOUBLINGS = 16

REVEALS = 10
"""How often all service tokens together may be shown the API key within ``_WINDOW``: one can create others."""

_WINDOW = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=1)
_EVERYONE = "everyone"
_REVEALS = "reveals"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed to strangers in total. Tests use less."""

    failures: int = 100
    """Of all of them within ``_WINDOW``, before each address has only one try at a time."""
    addresses: int = 20_000
    """That are counted. One thread checks the passwords of strangers, so it cannot get to more of them before the
    blocks of the first ones end."""


class LoginBlockedError(LoginThrottledError):
    """Logins are refused for a while, even with the right password."""

    def __init__(self, wait: timedelta) -> None:
        """Say how long to wait."""
        self.retry_after = max(1, round(wait.total_seconds()))
        super().__init__(f"Too many incorrect passwords. Try again in {self.retry_after} seconds.")


class RevealsBlockedError(RevealThrottledError):
    """Service tokens were shown the API key too often."""

    def __init__(self, wait: timedelta) -> None:
        """Say how long to wait."""
        self.retry_after = max(1, round(wait.total_seconds()))
        super().__init__()


@dataclass(frozen=True, slots=True)
class Source:
    """What wrong passwords are counted for."""

    key: str
    known: bool
    """Whether it was let in before: a browser or a session, not only an address."""

    network: str | None = None
    """What failures are counted for as well, if it is an address."""

    was_known: bool = False
    """Whether it is a browser that was let in with an earlier password. It does not wait for strangers, but is counted
    as they are: who knew that password can have many of them."""


def device_source(device_id: UUID) -> Source:
    """Return the source of a browser that has logged in before."""
    return Source(f"device:{device_id.hex}", known=True)


def earlier_device_source(device_id: UUID) -> Source:
    """Return the source of a browser that has logged in with an earlier password."""
    return Source(f"device:{device_id.hex}", known=False, was_known=True)


def session_source(session_id: UUID) -> Source:
    """Return the source of an open session."""
    return Source(f"session:{session_id.hex}", known=True)


def block_after(failures: int) -> timedelta | None:
    """Return how long a source is refused after this many consecutive failures, or None."""
    if failures < FREE_FAILURES:
        return None
    return min(FIRST_BLOCK * (1 << min(failures - FREE_FAILURES, _DOUBLINGS)), LONGEST_BLOCK)


class Throttle:
    """Counts failures in the database, so that all replicas count together."""

    def __init__(self, database: Database, clock: Clock, keys: KeyRing, limits: Limits | None = None) -> None:
        """Count in ``database``; ``keys`` digest the addresses."""
        self._limits = limits or Limits()
        self._database = database
        self._clock = clock
        self._keys = keys

    def address_source(self, address: str | None) -> Source:
        """Return the source of a stranger; all of an IPv6 /64 is one."""
        group, network = caller_group(address or ""), caller_network(address or "")
        return Source(self._key(group), known=False, network=self._key(network) if network != group else None)

    def recent_failures(self, source: Source) -> int:
        """Return how many attempts of a source, or of its network, failed lately, by a read alone.

        Raises:
            LoginBlockedError: the source is blocked.
        """
        now = self._clock.now()
        with self._database.read() as tx:
            counted = tx.attempt_counts.find(source.key)
            nearby = tx.attempt_counts.find(source.network) if source.network else None
        _check_not_blocked(counted, now)
        return sum(one.failures for one in (counted, nearby) if one is not None and not _is_forgotten(one, now))

    def count(self, source: Source) -> int:
        """Count an attempt before it is checked, so that simultaneous ones cannot outrun the count; return the count.

        Raises:
            LoginBlockedError: the source is blocked. That prolongs nothing, and is found out without writing.
        """
        now = self._clock.now()
        with self._database.read() as tx:
            counted = tx.attempt_counts.find(source.key)
        _check_not_blocked(counted, now)
        with self._database.write() as tx:
            tx.attempt_counts.begin(source.key, now)
            counted = tx.attempt_counts.find(source.key, lock=True) or Counted(0, None, now)
            block = _present_block(counted, now)
            if block is None:
                counted = self._one_more(tx, source, counted, now)
            tx.attempt_counts.write(source.key, block or counted)
        if block is not None:
            raise LoginBlockedError(_end_of(block) - now)
        return counted.failures

    def note_failure(self, tx: Transaction, source: Source, now: datetime) -> None:
        """Count a failure for the source's network, and in the total of all strangers, unless the source is known."""
        if source.known:
            return
        if source.network is not None:
            tx.attempt_counts.begin(source.network, now)
            nearby = tx.attempt_counts.find(source.network, lock=True)
            tx.attempt_counts.write(source.network, Counted(nearby.failures + 1 if nearby else 1, None, now))
        tx.attempt_counts.begin(_EVERYONE, now)
        total = tx.attempt_counts.find(_EVERYONE, lock=True)
        tx.attempt_counts.write(_EVERYONE, _counted_within_window(total, now))

    def count_reveal(self) -> None:
        """Count that a token asks for the API key.

        Raises:
            RevealsBlockedError: tokens were shown it too often.
        """
        now = self._clock.now()
        with self._database.write() as tx:
            tx.attempt_counts.begin(_REVEALS, now)
            counted = _counted_within_window(tx.attempt_counts.find(_REVEALS, lock=True), now)
            if counted.failures <= REVEALS:
                tx.attempt_counts.write(_REVEALS, counted)
        if counted.failures > REVEALS:
            raise RevealsBlockedError(counted.last_at + _WINDOW - now)

    def prune(self) -> None:
        """Delete what is forgotten, and the oldest addresses beyond the limit."""
        now = self._clock.now()
        kept = (now - _FORGOTTEN_AFTER, now + _FORGOTTEN_AFTER, self._limits.addresses)
        with self._database.read() as tx:
            needed = tx.attempt_counts.needs_pruning(*kept)
        if needed:
            with suppress(StorageUnavailableError), self._database.write() as tx:
                tx.attempt_counts.prune(*kept)

    def _key(self, callers: str) -> str:
        return f"{ADDRESS}{self._keys.digest(callers.encode(), 'attempt-address').hex()[:32]}"

    def _one_more(self, tx: Transaction, source: Source, counted: Counted, now: datetime) -> Counted:
        failures = 1 if _is_forgotten(counted, now) else counted.failures + 1
        block = block_after(failures)
        if not source.known and self._is_under_attack(tx, now):
            block = LONGEST_BLOCK
        return Counted(failures, None if block is None else now + block, now)

    def _is_under_attack(self, tx: Transaction, now: datetime) -> bool:
        total = tx.attempt_counts.find(_EVERYONE)
        return total is not None and _is_within_window(total, now) and total.failures >= self._limits.failures


def _check_not_blocked(counted: Counted | None, now: datetime) -> None:
    if counted is not None and _present_block(counted, now) == counted:
        raise LoginBlockedError(_end_of(counted) - now)


def _is_forgotten(counted: Counted, now: datetime) -> bool:
    return now - counted.last_at >= _FORGOTTEN_AFTER


def _is_within_window(counted: Counted, now: datetime) -> bool:
    # A clock that is set back begins a new window.
    return timedelta(0) <= now - counted.last_at < _WINDOW


def _counted_within_window(counted: Counted | None, now: datetime) -> Counted:
    """Return the count with one more; ``last_at`` is when the window began."""
    if counted is None or not _is_within_window(counted, now):
        return Counted(1, None, now)
    return replace(counted, failures=counted.failures + 1)


def _present_block(counted: Counted, now: datetime) -> Counted | None:
    """Return what is counted if it is a block now, else None. A clock that is set back must not prolong one."""
    if counted.blocked_until is None:
        return None
    until = min(counted.blocked_until, now + (counted.blocked_until - counted.last_at))
    if until <= now:
        return None
    return counted if until == counted.blocked_until else replace(counted, blocked_until=until, last_at=now)


def _end_of(block: Counted) -> datetime:
    return block.blocked_until or block.last_at

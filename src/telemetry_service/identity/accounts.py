"""The one local administrator. There is no default account: a person has to set the first password.

Every login attempt is counted before the password is checked, so that simultaneous attempts cannot outrun the count.
Unknown names count, and cost, the same as wrong passwords.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import LoginFailedError, LoginThrottledError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.person import Person, Role
from telemetry_service.identity.passwords import Passwords
from telemetry_service.identity.refusals import Refusals
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.storage.database import Database, Transaction
from telemetry_service.storage.identity import StoredAccount

ADMINISTRATOR = "admin"
"""The account's name."""

LOCAL_ADMINISTRATOR = Person(None, ADMINISTRATOR, None, Role.ADMINISTRATOR)

FREE_FAILURES = 5
FIRST_BLOCK = timedelta(seconds=30)
LONGEST_BLOCK = timedelta(minutes=15)
_DOUBLINGS = 16


class LoginBlockedError(LoginThrottledError):
    """Logins are refused for a while, even with the right password."""

    def __init__(self, wait: timedelta) -> None:
        """Say how long to wait."""
        self.retry_after = max(1, round(wait.total_seconds()))
        super().__init__(f"Too many incorrect passwords. Try again in {self.retry_after} seconds.")


def administrator(address: str | None) -> Actor:
    """Return the local administrator, in a browser at ``address``, as the actor."""
    return LOCAL_ADMINISTRATOR.actor(address)


def block_after(failures: int) -> timedelta | None:
    """Return how long logins are refused after this many consecutive failures, or None."""
    if failures < FREE_FAILURES:
        return None
    return min(FIRST_BLOCK * (1 << min(failures - FREE_FAILURES, _DOUBLINGS)), LONGEST_BLOCK)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What a password was given for: the kinds of the entries if it is wrong, or not checked."""

    failed: Kind
    blocked: Kind


LOGIN = Attempted(Kind.LOGIN_FAILED, Kind.LOGIN_BLOCKED)
REVEAL = Attempted(Kind.REVEAL_REFUSED, Kind.REVEAL_REFUSED)


@dataclass(frozen=True, slots=True)
class CheckedPassword:
    """The hash that a password matched, and a new one if that is outdated."""

    password_hash: str = field(repr=False)
    renewed_hash: str | None = field(repr=False)


class Accounts:
    """Sets and checks the administrator's password."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords, refusals: Refusals) -> None:
        """Store the account in ``database``."""
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._refusals = refusals

    def exist(self) -> bool:
        """Whether a password was set, so that logging in is possible."""
        with self._database.read() as tx:
            return tx.identity.account() is not None

    def set_password(self, password: str, actor: Actor) -> None:
        """Set the administrator's password; it ends every session and lifts a block.

        Raises:
            PasswordRefusedError: the password is too short, too long or not text.
        """
        password_hash = self._passwords.hash(password)
        now = self._clock.now()
        with self._database.write() as tx:
            tx.identity.set_password(password_hash, now)
            ended = tx.identity.remove_all_sessions()
            tx.ledger.note(now, actor, Kind.PASSWORD_SET, {"sessions_ended": ended})

    def set_first_password(self, password: str, actor: Actor) -> bool:
        """Set the password if there is none yet; False, with nothing changed, if there is one.

        Raises:
            PasswordRefusedError: the password is too short, too long or not text.
        """
        if self.exist():
            return False
        password_hash = self._passwords.hash(password)
        now = self._clock.now()
        with self._database.write() as tx:
            # Several replicas may start at once; the first one wins.
            if not tx.identity.add_account(password_hash, now):
                return False
            tx.ledger.note(now, actor, Kind.PASSWORD_SET)
        return True

    def has_password(self, password: str) -> bool:
        """Whether this is the administrator's password. Nothing is counted: it is not a login."""
        with self._database.read() as tx:
            account = tx.identity.account()
        return account is not None and self._passwords.verify(account.password_hash, password)

    def check(self, name: str, password: str, caller: Actor, attempted: Attempted = LOGIN) -> CheckedPassword:
        """Check a login outside of a transaction, for ``accept`` to use inside one.

        If it fails, the ledger has an entry by ``caller`` of what was ``attempted``.

        Raises:
            LoginFailedError: the name or the password is wrong.
            LoginBlockedError: too many attempts failed before; the password was not checked.
        """
        try:
            account = self._count_attempt()
        except LoginBlockedError as blocked:
            self._refusals.note(caller, attempted.blocked, {"reason": "login_blocked"})
            log_event(Event.LOGIN_BLOCKED, wait_seconds=blocked.retry_after)
            raise
        if account is None:
            # There is no password to guess, so this needs no work and no row.
            log_event(Event.LOGIN_FAILED, failures=0)
            raise LoginFailedError
        stored = account.password_hash if name == ADMINISTRATOR else None
        if not self._passwords.verify(stored, password) or stored is None:
            self._note_failure(caller, attempted.failed, account.failed_logins + 1)
            log_event(Event.LOGIN_FAILED, failures=account.failed_logins + 1)
            raise LoginFailedError
        return CheckedPassword(stored, self._passwords.renewed(stored, password))

    def accept(self, tx: Transaction, checked: CheckedPassword) -> None:
        """Reset the failed logins, and update the password's hash to the present cost.

        Raises:
            LoginFailedError: the password was replaced since it was checked.
        """
        account = tx.identity.account(lock=True)
        if account is None or account.password_hash != checked.password_hash:
            raise LoginFailedError
        if checked.renewed_hash is not None:
            tx.identity.set_password(checked.renewed_hash, self._clock.now())
        tx.identity.note_login(0, None)

    def _count_attempt(self) -> StoredAccount | None:
        now = self._clock.now()
        with self._database.write() as tx:
            account = tx.identity.account(lock=True)
            if account is None:
                return None
            blocked_until = _believable(account, now)
            if blocked_until is None or blocked_until <= now:
                failures = account.failed_logins + 1
                block = block_after(failures)
                tx.identity.note_login(failures, None if block is None else now + block)
                return account
            if blocked_until != account.blocked_until:
                # Store it, or it would seem as long again at the next try.
                tx.identity.note_login(account.failed_logins, blocked_until)
        raise LoginBlockedError(blocked_until - now)

    def _note_failure(self, caller: Actor, kind: Kind, failures: int) -> None:
        said: dict[str, Value] = {"reason": "wrong_password", "failed_logins": failures}
        with self._database.write() as tx:
            tx.ledger.note_often(self._clock.now(), caller, kind, said)


def _believable(account: StoredAccount, now: datetime) -> datetime | None:
    """Return until when logins are blocked: a clock that is set back must not prolong it."""
    meant = block_after(account.failed_logins)
    if account.blocked_until is None or meant is None:
        return None
    return min(account.blocked_until, now + meant)

"""The one local administrator. There is no default account: a person has to set the first password.

Every login attempt is counted before the password is checked (``throttle.py``), so that simultaneous attempts cannot
outrun the count. Unknown names count, and cost, the same as wrong passwords.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import LoginFailedError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.person import Person, Role
from telemetry_service.identity.devices import Device
from telemetry_service.identity.open_doors import OpenDoors
from telemetry_service.identity.passwords import Passwords
from telemetry_service.identity.refusals import Refusals
from telemetry_service.identity.throttle import (
    LoginBlockedError,
    Source,
    Throttle,
    device_source,
    earlier_device_source,
)
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.storage.database import Database, Transaction

ADMINISTRATOR = "admin"
"""The account's name."""

LOCAL_ADMINISTRATOR = Person(None, ADMINISTRATOR, None, Role.ADMINISTRATOR)


def administrator(address: str | None) -> Actor:
    """Return the local administrator, in a browser at ``address``, as the actor."""
    return LOCAL_ADMINISTRATOR.actor(address)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What a password was given for: the kinds of the entries if it is wrong, or not checked."""

    failed: Kind
    blocked: Kind


LOGIN = Attempted(Kind.LOGIN_FAILED, Kind.LOGIN_BLOCKED)
REVEAL = Attempted(Kind.REVEAL_REFUSED, Kind.REVEAL_REFUSED)
NEW_PASSWORD = Attempted(Kind.PASSWORD_REFUSED, Kind.PASSWORD_REFUSED)


@dataclass(frozen=True, slots=True)
class CheckedPassword:
    """The hash that a password matched, and a new one if that is outdated."""

    password_hash: str = field(repr=False)
    renewed_hash: str | None = field(repr=False)
    generation: int
    source: Source


@dataclass(frozen=True, slots=True)
class Admitted:
    """A login that may wait for its turn."""

    source: Source
    failures: int
    """Of the source and its network lately."""


class Accounts:
    """Sets and checks the administrator's password."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Passwords,
        refusals: Refusals,
        throttle: Throttle,
        doors: OpenDoors,
    ) -> None:
        """Store the account in ``database``."""
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._refusals = refusals
        self._throttle = throttle
        self._doors = doors

    def exist(self) -> bool:
        """Whether a password was set, so that logging in is possible."""
        with self._database.read() as tx:
            return tx.identity.account() is not None

    def is_login_open(self) -> bool:
        """Whether a password is taken."""
        if self._doors.local_login:
            return True
        with self._database.read() as tx:
            return self._doors.is_local_login_open(tx, self._clock.now())

    def set_password(self, password: str, actor: Actor) -> bool:
        """Set the administrator's password on the host; it ends every session and lifts every block.

        Returns:
            Whether this opened a login that the deployment has closed.

        Raises:
            PasswordRefusedError: the password is too short, too long, easy to guess, or not text.
        """
        password_hash = self._passwords.hash(password)
        now = self._clock.now()
        with self._database.write() as tx:
            tx.identity.set_password(password_hash, now)
            tx.identity.open_login(None if self._doors.local_login else now)
            tx.attempt_counts.forget_all()
            ended = tx.identity.remove_all_sessions()
            tx.ledger.note(now, actor, Kind.PASSWORD_SET, {"sessions_ended": ended})
        return not self._doors.local_login

    def set_first_password(self, password: str, actor: Actor) -> bool:
        """Set the password if there is none yet; False, with nothing changed, if there is one.

        Raises:
            PasswordRefusedError: the password is too short, too long, easy to guess, or not text.
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

    def source_of(self, device: Device | None, caller: Actor) -> Source:
        """Return what a login of a browser at an address is counted for."""
        with self._database.read() as tx:
            account = tx.identity.account()
        if device is not None and account is not None:
            is_present = device.generation == account.password_generation
            return (device_source if is_present else earlier_device_source)(device.device_id)
        return self._throttle.address_source(caller.address)

    def admit(self, device: Device | None, caller: Actor) -> Admitted:
        """Say what a login is counted for, before it waits for its turn. Hashes and counts nothing.

        Raises:
            LoginBlockedError: too many attempts of this source failed before.
        """
        source = self.source_of(device, caller)
        with self._noting_blocks(caller, LOGIN):
            return Admitted(source, self._throttle.recent_failures(source))

    def check(
        self, name: str, password: str, caller: Actor, source: Source, attempted: Attempted = LOGIN
    ) -> CheckedPassword:
        """Check a login outside of a transaction, for ``accept`` to use inside one.

        If it fails, the ledger has an entry by ``caller`` of what was ``attempted``.

        Raises:
            LoginFailedError: the name or the password is wrong.
            LoginBlockedError: too many attempts of this source failed before; the password was not checked.
        """
        with self._database.read() as tx:
            account = tx.identity.account()
        if account is None:
            # There is no password to guess, so this needs no work and no row.
            log_event(Event.LOGIN_FAILED, failures=0)
            raise LoginFailedError
        with self._noting_blocks(caller, attempted):
            failures = self._throttle.count(source)
        stored = account.password_hash if name == ADMINISTRATOR else None
        if not self._passwords.verify(stored, password) or stored is None:
            self._note_failure(caller, source, attempted.failed, failures)
            log_event(Event.LOGIN_FAILED, failures=failures)
            raise LoginFailedError
        renewed = self._passwords.renewed(stored, password)
        return CheckedPassword(stored, renewed, account.password_generation, source)

    def accept(self, tx: Transaction, checked: CheckedPassword) -> None:
        """Forget the failures of the source, and update the password's hash to the present cost.

        Raises:
            LoginFailedError: the password was replaced since it was checked.
        """
        account = tx.identity.account(lock=True)
        if account is None or account.password_hash != checked.password_hash:
            raise LoginFailedError
        if checked.renewed_hash is not None:
            tx.identity.renew_hash(checked.renewed_hash)
        tx.attempt_counts.forget(checked.source.key)

    def replace(self, tx: Transaction, checked: CheckedPassword, password_hash: str) -> int:
        """Replace a password that was checked, end every session that it opened, and return how many there were."""
        self.accept(tx, checked)
        tx.identity.set_password(password_hash, self._clock.now())
        return tx.identity.remove_sessions_of(None, None)

    def hash_new(self, password: str) -> str:
        """Return the hash of a new password.

        Raises:
            PasswordRefusedError: the password is too short, too long, easy to guess, or not text.
        """
        return self._passwords.hash(password)

    @contextmanager
    def _noting_blocks(self, caller: Actor, attempted: Attempted) -> Iterator[None]:
        try:
            yield
        except LoginBlockedError as blocked:
            self._refusals.note(caller, attempted.blocked, {"reason": "login_blocked"})
            log_event(Event.LOGIN_BLOCKED, wait_seconds=blocked.retry_after)
            raise

    def _note_failure(self, caller: Actor, source: Source, kind: Kind, failures: int) -> None:
        now = self._clock.now()
        said: dict[str, Value] = {"reason": "wrong_password", "failed_logins": failures}
        with self._database.write() as tx:
            self._throttle.note_failure(tx, source, now)
            tx.ledger.note_often(now, caller, kind, said)

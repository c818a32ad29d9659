"""Browser sessions, stored on the server so that they can be ended.

The cookie holds ``<session id>.<secret>``. The database holds a keyed digest of the secret. The CSRF token is a keyed
digest of the session ID, so it needs no storage, and pages that are open stay usable when the secret is replaced.
"""

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from typing_extensions import TypeIs

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.domain.clock import Clock, time_ordered_id
from telemetry_service.domain.errors import AccessDeniedError, IdentityRefusedError, StorageUnavailableError
from telemetry_service.domain.keyed_digest import KeyedDigest
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.person import Person
from telemetry_service.identity.accounts import (
    ADMINISTRATOR,
    LOCAL_ADMINISTRATOR,
    NEW_PASSWORD,
    REVEAL,
    Accounts,
    Attempted,
    CheckedPassword,
)
from telemetry_service.identity.devices import Device, Devices
from telemetry_service.identity.login import RECENT, Login
from telemetry_service.identity.open_doors import OpenDoors
from telemetry_service.identity.password_rules import check_new_password
from telemetry_service.identity.throttle import session_source
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database, Transaction
from telemetry_service.storage.identity import StoredSession

LONGEST = timedelta(hours=12)
"""A session ends after a working day, even if it is in use."""

IDLE = timedelta(hours=2)
"""A session ends after being unused for this long."""

_TOUCHED_EVERY = timedelta(minutes=1)
_CLOCKS_DIFFER = timedelta(minutes=5)
"""How much the clocks of two replicas may differ without ending each other's sessions."""
_DIGEST, _CSRF, _LOGOUT = "session", "csrf", "logout-token"
_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})", re.ASCII)
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Login):
    """A session that was found valid."""

    session_id: UUID
    created_at: datetime
    expires_at: datetime

    @property
    def ends_here(self) -> bool:
        """Whether the person can log out here."""
        return True

    def may_end_others(self, now: datetime) -> bool:
        """Whether it may end other sessions: someone who has copied its cookie must not log its owner out.

        If the issuer does not say when the person proved who it is, the login counts: a copied cookie is no login.
        """
        if self.authenticated_at is None:
            return timedelta(0) <= now - self.created_at <= RECENT
        return self.is_recent(now)


def is_local_session(login: Login) -> TypeIs[Session]:
    """Whether it is a session whose person has a password here."""
    return isinstance(login, Session) and login.person.issuer is None


@dataclass(frozen=True, slots=True)
class Proven:
    """Who a person proved to be, and how."""

    person: Person
    authenticated_at: datetime | None
    """None if the issuer did not say."""
    sid: str | None = None
    """The issuer's name for its session."""
    login_digest: bytes | None = field(default=None, repr=False)
    """Of a login that can be used once."""


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """Whose sessions end: those of one session at the issuer, or all of a person."""

    issuer: str
    sid: str | None
    subject: str | None
    before: datetime
    """A session that was opened later is another one."""
    token_id: str
    """Of the issuer for this message, which counts once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session was opened."""

    address: str | None
    browser: str | None
    """Its family, such as "Firefox on Linux"."""


_NOWHERE = Place(None, None)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session with the values of its cookies, which cannot be read again."""

    token: str = field(repr=False)
    session: Session
    device_cookie: str | None = field(default=None, repr=False)
    """What the browser is known by at its next login with the password."""


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(
        self, database: Database, clock: Clock, keys: KeyRing, accounts: Accounts, devices: Devices, doors: OpenDoors
    ) -> None:
        """Store sessions in ``database``, under ``keys``."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._accounts = accounts
        self._devices = devices
        self._doors = doors

    def log_in(
        self, name: str, password: str, caller: Actor, device: Device | None = None, browser: str | None = None
    ) -> OpenedSession:
        """Open a session for the administrator, asked for by a ``caller`` who is a stranger until then.

        ``device`` is the browser, if it has logged in before; ``browser`` is its family.

        Raises:
            LoginFailedError: the name or the password is wrong.
            LoginThrottledError: too many were wrong before.
        """
        checked = self._accounts.check(name, password, caller, self._accounts.source_of(device, caller))
        now = self._clock.now()
        with self._database.write() as tx:
            self._accounts.accept(tx, checked)
            opened = self._open(tx, Proven(LOCAL_ADMINISTRATOR, now), Place(caller.address, browser), now)
        return replace(opened, device_cookie=self._devices.issue(device, checked.generation))

    def change_password(self, session: Session, present: str, new: str, actor: Actor, place: Place) -> OpenedSession:
        """Replace the local administrator's password. Every session ends, and a new one takes the place of this one.

        Raises:
            PasswordRefusedError: the new password is easy to guess, or not text.
            LoginFailedError: the present password is wrong.
            LoginThrottledError: too many were wrong before.
        """
        check_new_password(new)
        checked = self._checked(session, present, actor, NEW_PASSWORD)
        password_hash = self._accounts.hash_new(new)
        now = self._clock.now()
        with self._database.write() as tx:
            ended = self._accounts.replace(tx, checked, password_hash)
            opened = self._add(tx, Proven(LOCAL_ADMINISTRATOR, now), place, now)
            tx.ledger.note(now, actor, Kind.PASSWORD_SET, {"sessions_ended": ended - 1})
        return replace(opened, device_cookie=self._devices.issue(None, checked.generation + 1))

    def open(self, proven: Proven, caller: Actor, browser: str | None = None) -> OpenedSession:
        """Open a session for a person whom an issuer has authenticated.

        Raises:
            IdentityRefusedError: the login at the issuer was already used.
        """
        now = self._clock.now()
        with self._database.write() as tx:
            return self._open(tx, proven, Place(caller.address, browser), now)

    def _open(self, tx: Transaction, proven: Proven, place: Place, now: datetime) -> OpenedSession:
        opened = self._add(tx, proven, place, now)
        tx.ledger.note(now, proven.person.actor(place.address), Kind.LOGIN)
        log_event(Event.LOGIN_SUCCEEDED)
        return opened

    def _add(self, tx: Transaction, proven: Proven, place: Place, now: datetime) -> OpenedSession:
        secret, digest = self._new_secret()
        stored = _new_session(proven, place, digest, now)
        tx.identity.purge_sessions(now)
        if not tx.identity.add_session(stored):
            raise IdentityRefusedError("used")
        return OpenedSession(_token(stored.session_id, secret), self._session(stored))

    def _new_secret(self) -> tuple[str, KeyedDigest]:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        return secret, self._keys.new_digest(secret.encode(), _DIGEST)

    def find(self, token: str, *, in_use: bool = True) -> Session:
        """Return the session of a cookie, and record that it is ``in_use``.

        Raises:
            AccessDeniedError: there is none, it has ended, or the deployment has closed the way that it came in.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise AccessDeniedError
        now, secret = self._clock.now(), match[2].encode()
        with self._database.read() as tx:
            stored = tx.identity.session(UUID(match[1]))
            admitted = stored is not None and self._doors.admit(tx, stored.issuer, now)
        digest = stored.token_digest if stored else bytes(32)
        if not self._keys.matches(digest, secret, _DIGEST) or stored is None or not admitted or has_ended(stored, now):
            raise AccessDeniedError
        if in_use:
            self._touch(stored, secret, now)
        return self._session(stored)

    def is_proof(self, token: str, csrf_token: str) -> bool:
        """Whether ``csrf_token`` belongs to the session of this cookie. Takes the same time either way."""
        match = _TOKEN.fullmatch(token)
        try:
            digest = from_base64url(csrf_token)
        except ValueError:
            return False
        return match is not None and self._keys.matches(digest, match[1].encode(), _CSRF)

    def reauthenticate(self, session: Session, password: str, actor: Actor, attempted: Attempted = REVEAL) -> str:
        """Take the password again, so that the session counts as recent and may do what was ``attempted``.

        Returns:
            The new value of its cookie. The old one has ended.

        Raises:
            LoginFailedError: the password is wrong.
            LoginThrottledError: too many were wrong before.
        """
        checked = self._checked(session, password, actor, attempted)
        now = self._clock.now()
        secret, digest = self._new_secret()
        with self._database.write() as tx:
            self._accounts.accept(tx, checked)
            tx.identity.reauthenticate_session(session.session_id, now)
            tx.identity.rekey_session(session.session_id, digest)
            tx.ledger.note(now, actor, Kind.LOGIN)
        log_event(Event.LOGIN_SUCCEEDED)
        return _token(session.session_id, secret)

    def renew(self, session: Session, proven: Proven, caller: Actor) -> str:
        """Record that the person of a session has authenticated again at the issuer.

        Returns:
            The new value of its cookie. The old one has ended.

        Raises:
            IdentityRefusedError: it was another person, or the login was already used.
        """
        before, after, now = session.person, proven.person, self._clock.now()
        if (before.issuer, before.subject) != (after.issuer, after.subject):
            raise IdentityRefusedError("other_person")
        secret, digest = self._new_secret()
        renewed = replace(_new_session(proven, _NOWHERE, digest, now), session_id=session.session_id)
        with self._database.write() as tx:
            if not tx.identity.renew_session(renewed):
                raise IdentityRefusedError("used")
            tx.ledger.note(now, after.actor(caller.address), Kind.LOGIN)
        log_event(Event.LOGIN_SUCCEEDED)
        return _token(session.session_id, secret)

    def end_presented(self, token: str | None, caller: Actor) -> None:
        """End the session, if there is one, whose cookie a browser showed when it logged in again."""
        with suppress(AccessDeniedError):
            session = self.find(token or "")
            self.log_out(session, session.person.actor(caller.address))

    def end_of(self, logged_out: LoggedOut) -> None:
        """End the sessions of someone who has logged out at the issuer.

        Raises:
            IdentityRefusedError: the message was already used; it must not end a session that was opened since.
        """
        digest = self._keys.digest(f"{logged_out.issuer} {logged_out.token_id}".encode(), _LOGOUT).hex()[:32]
        with self._database.write() as tx:
            # Only the issuer signs these messages, so strangers add no rows. No session lasts until one is pruned.
            if not tx.attempt_counts.begin(f"logout:{digest}", self._clock.now()):
                raise IdentityRefusedError("used")
            for stored in tx.identity.remove_logged_out(
                logged_out.issuer, logged_out.sid, logged_out.subject, logged_out.before
            ):
                tx.ledger.note(self._clock.now(), person_of_stored(stored).actor(None), Kind.LOGOUT)

    def end_unadmitted(self, actor: Actor) -> None:
        """End the sessions whose way in the deployment has closed: if it opens again, they must not continue."""
        now = self._clock.now()
        with self._database.read() as tx:
            people = {(one.issuer, one.subject) for one in tx.identity.all_sessions()}
            closed = [person for person in people if not self._doors.admit(tx, person[0], now)]
        if closed:
            with self._database.write() as tx:
                ended = sum(tx.identity.remove_sessions_of(*person) for person in closed)
                tx.ledger.note(now, actor, Kind.SESSIONS_ENDED, {"sessions_ended": ended})

    def log_out(self, session: Session, actor: Actor) -> None:
        """End the session."""
        with self._database.write() as tx:
            if tx.identity.remove_session(session.session_id):
                tx.ledger.note(self._clock.now(), actor, Kind.LOGOUT)

    def _checked(self, session: Session, password: str, actor: Actor, attempted: Attempted) -> CheckedPassword:
        return self._accounts.check(ADMINISTRATOR, password, actor, session_source(session.session_id), attempted)

    def _session(self, stored: StoredSession) -> Session:
        return Session(
            person=person_of_stored(stored),
            authenticated_at=stored.authenticated_at,
            session_id=stored.session_id,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            csrf_token=to_base64url(self._keys.digest(stored.session_id.hex.encode(), _CSRF)).decode(),
        )

    def _touch(self, stored: StoredSession, secret: bytes, now: datetime) -> None:
        # A time in the future is corrected at once: otherwise the session would not count as idle until then.
        if timedelta(0) <= now - stored.last_seen_at < _TOUCHED_EVERY:
            return
        # A full or locked disk must not keep the administrator from seeing what is wrong.
        with suppress(StorageUnavailableError), self._database.write() as tx:
            tx.identity.touch_session(stored.session_id, now)
            if stored.digest_key != self._keys.ids[0]:  # Only now its secret is here.
                tx.identity.rekey_session(stored.session_id, self._keys.new_digest(secret, _DIGEST))


def _token(session_id: UUID, secret: str) -> str:
    return f"{session_id.hex}.{secret}"


def _new_session(proven: Proven, place: Place, digest: KeyedDigest, now: datetime) -> StoredSession:
    person = proven.person
    return StoredSession(
        session_id=time_ordered_id(now),
        token_digest=digest.digest,
        digest_key=digest.key_id,
        created_at=now,
        authenticated_at=proven.authenticated_at,
        last_seen_at=now,
        expires_at=now + LONGEST,
        role=person.role,
        issuer=person.issuer,
        subject=None if person.issuer is None else person.subject,
        name=person.name,
        sid=proven.sid,
        login_digest=proven.login_digest,
        address=place.address,
        browser=place.browser,
    )


def person_of_stored(stored: StoredSession) -> Person:
    """Return whose session it is."""
    if stored.issuer is None or stored.subject is None:
        return LOCAL_ADMINISTRATOR
    return Person(stored.issuer, stored.subject, stored.name, stored.role)


def key_of(person: Person) -> tuple[str | None, str | None]:
    """Return the issuer and the subject that the sessions of a person have."""
    return (None, None) if person.issuer is None else (person.issuer, person.subject)


def has_ended(stored: StoredSession, now: datetime) -> bool:
    """Whether a stored session is over."""
    # A clock that is set back must not prolong a session.
    from_the_future = stored.created_at - now > _CLOCKS_DIFFER
    return from_the_future or now >= stored.expires_at or now - stored.last_seen_at >= IDLE

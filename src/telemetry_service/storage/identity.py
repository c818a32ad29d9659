"""Accounts, sessions and service tokens: only digests and hashes are kept here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, insert, or_, select, update

from telemetry_service.domain.keyed_digest import DigestCounts, KeyedDigest
from telemetry_service.domain.person import Role
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.tables import AdminAccount, AdminSession, ServiceToken
from telemetry_service.storage.upsert import insert as insert_or


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """The local administrator."""

    password_hash: str
    password_generation: int


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A browser's session."""

    session_id: UUID
    token_digest: bytes
    created_at: datetime
    authenticated_at: datetime | None
    last_seen_at: datetime
    expires_at: datetime
    role: Role
    issuer: str | None = None
    """None for the local administrator, as are the next two."""
    subject: str | None = None
    name: str | None = None
    sid: str | None = None
    login_digest: bytes | None = None
    address: str | None = None
    """Where it was opened."""
    browser: str | None = None
    digest_key: bytes | None = None
    """The ID of the key that its digest was made under; None if an older version made it."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A service token without its secret."""

    token_id: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    digest_key: bytes | None = None
    """As of a session."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and not self.has_expired(now)

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


_TOKEN_NAMES = 0x746F6B65_6E616D65
"""The key of PostgreSQL's advisory lock that adding a token takes exclusively, so that names stay unique."""

_SESSION = tuple(getattr(AdminSession, name) for name in StoredSession.__slots__)
_ONE_SESSION = select(*_SESSION).where(AdminSession.session_id == bindparam("session_id"))
_RENEWED = ("role", "authenticated_at", "sid", "login_digest", "token_digest", "digest_key")
"""What changes when the person of a session authenticates again."""
_TOKEN = tuple(getattr(ServiceToken, name) for name in StoredToken.__slots__)


class IdentityStore:
    """The rows of ``identity/``; it decides nothing."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def account(self, *, lock: bool = False) -> StoredAccount | None:
        """Return the administrator, or None before a password was set."""
        columns = (AdminAccount.password_hash, AdminAccount.password_generation)
        query = select(*columns)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else StoredAccount(*filled(row, columns))

    def login_opened_at(self) -> datetime | None:
        """Return when a closed login was opened on the host; None if it was not."""
        return self._connection.execute(select(AdminAccount.login_opened_at)).scalar()

    def open_login(self, now: datetime | None) -> None:
        """Note when a closed login was opened on the host, or that it was not."""
        self._connection.execute(update(AdminAccount).values(login_opened_at=now))

    def set_password(self, password_hash: str, now: datetime) -> None:
        """Create the account, or replace its password, which begins a new generation."""
        values = {"password_hash": password_hash, "updated_at": now}
        new = insert_or(self._connection, AdminAccount).values(id=1, password_generation=1, **values)
        replaced = {**values, "password_generation": AdminAccount.password_generation + 1}
        self._connection.execute(new.on_conflict_do_update(index_elements=[AdminAccount.id], set_=replaced))

    def add_account(self, password_hash: str, now: datetime) -> bool:
        """Create the account; False, with nothing changed, if there is one, even one created at the same moment."""
        values = {"password_hash": password_hash, "password_generation": 1, "updated_at": now}
        new = insert_or(self._connection, AdminAccount).values(id=1, **values)
        made = self._connection.execute(new.on_conflict_do_nothing().returning(AdminAccount.id))
        return made.first() is not None

    def renew_hash(self, password_hash: str) -> None:
        """Replace the hash of the same password."""
        self._connection.execute(update(AdminAccount).values(password_hash=password_hash))

    def add_session(self, session: StoredSession) -> bool:
        """Write a new session; False, with nothing changed, if its login was already used."""
        columns = {name: getattr(session, name) for name in StoredSession.__slots__}
        new = insert_or(self._connection, AdminSession).values(columns)
        made = new.on_conflict_do_nothing(index_elements=[AdminSession.login_digest])
        return self._connection.execute(made.returning(AdminSession.session_id)).first() is not None

    def session(self, session_id: UUID) -> StoredSession | None:
        """Return a session, expired or not; None if it cannot be read."""
        return next(self._sessions(_ONE_SESSION, session_id=session_id), None)

    def touch_session(self, session_id: UUID, last_seen_at: datetime) -> None:
        """Note that a session is in use."""
        self._update_session(session_id, last_seen_at=last_seen_at)

    def rekey_session(self, session_id: UUID, digest: KeyedDigest) -> None:
        """Replace the digest of a session by one under another key."""
        self._update_session(session_id, token_digest=digest.digest, digest_key=digest.key_id)

    def rekey_token(self, token_id: str, digest: KeyedDigest) -> None:
        """Replace the digest of a token by one under another key."""
        of_token = update(ServiceToken).where(ServiceToken.token_id == token_id)
        self._connection.execute(of_token.values(digest=digest.digest, digest_key=digest.key_id))

    def count_session_keys(self, now: datetime) -> DigestCounts:
        """Return how many sessions that have not expired depend on each key."""
        return self._count_keys(AdminSession.digest_key, AdminSession.expires_at > now)

    def count_token_keys(self, now: datetime) -> DigestCounts:
        """Return how many valid tokens depend on each key."""
        lasting = or_(ServiceToken.expires_at.is_(None), ServiceToken.expires_at > now)
        return self._count_keys(ServiceToken.digest_key, and_(ServiceToken.revoked_at.is_(None), lasting))

    def _count_keys(self, key: ColumnElement[bytes | None], valid: ColumnElement[bool]) -> DigestCounts:
        query = select(key, func.count()).where(valid).group_by(key)
        return {None if row[0] is None else bytes(row[0]): row[1] for row in self._connection.execute(query)}

    def reauthenticate_session(self, session_id: UUID, authenticated_at: datetime) -> None:
        """Record that the password was entered again."""
        self._update_session(session_id, authenticated_at=authenticated_at)

    def renew_session(self, renewed: StoredSession) -> bool:
        """Record that its person has authenticated again; False, with nothing changed, if that login was used."""
        used = select(AdminSession.session_id).where(AdminSession.login_digest == renewed.login_digest)
        if self._connection.execute(used).first() is not None:
            return False
        self._update_session(renewed.session_id, **{name: getattr(renewed, name) for name in _RENEWED})
        return True

    def remove_logged_out(
        self, issuer: str, sid: str | None, subject: str | None, before: datetime
    ) -> tuple[StoredSession, ...]:
        """End the sessions of one session at an issuer, or else all of a person, and return them."""
        condition = and_(AdminSession.issuer == issuer, _logged_out(sid, subject), AdminSession.created_at < before)
        columns = (getattr(AdminSession, name) for name in StoredSession.__slots__)
        found = tuple(StoredSession(*row) for row in self._connection.execute(select(*columns).where(condition)))
        self._connection.execute(delete(AdminSession).where(condition))
        return found

    def remove_session(self, session_id: UUID) -> bool:
        """End a session; False if there is none."""
        return self._connection.execute(delete(AdminSession).where(AdminSession.session_id == session_id)).rowcount == 1

    def remove_all_sessions(self) -> int:
        """End every session, as a new password must; return how many there were."""
        return self._connection.execute(delete(AdminSession)).rowcount

    def sessions_of(self, issuer: str | None, subject: str | None) -> tuple[StoredSession, ...]:
        """Return a person's sessions that can be read, those that have ended too, latest first."""
        query = select(*_SESSION).where(*_of_person(issuer, subject))
        return tuple(self._sessions(query.order_by(AdminSession.created_at.desc(), AdminSession.session_id)))

    def all_sessions(self) -> tuple[StoredSession, ...]:
        """Return everyone's sessions that can be read, those that have ended too."""
        return tuple(self._sessions(select(*_SESSION).order_by(AdminSession.session_id)))

    def _sessions(self, query: Select[*tuple[Any, ...]], **key: object) -> Iterator[StoredSession]:
        return (StoredSession(*row) for row in readable_rows(self._connection.execute(query, key), _SESSION))

    def remove_sessions_of(self, issuer: str | None, subject: str | None, kept: UUID | None = None) -> int:
        """End a person's sessions, or all but one; return how many there were."""
        ended = delete(AdminSession).where(*_of_person(issuer, subject))
        return self._connection.execute(ended.where(AdminSession.session_id != kept) if kept else ended).rowcount

    def purge_sessions(self, now: datetime) -> int:
        """Delete expired sessions; return how many."""
        return self._connection.execute(delete(AdminSession).where(AdminSession.expires_at < now)).rowcount

    def add_token(self, token: StoredToken) -> None:
        """Write a new service token."""
        columns = {name: getattr(token, name) for name in StoredToken.__slots__}
        self._connection.execute(insert(ServiceToken).values({**columns, "scopes": " ".join(token.scopes)}))

    def token(self, token_id: str) -> StoredToken | None:
        """Return a token, revoked or not; None if it cannot be read."""
        return next(iter(self._tokens(token_id)), None)

    def tokens(self) -> tuple[StoredToken, ...]:
        """Return all tokens that can be read, oldest first."""
        return self._tokens(None)

    def valid_token(self, name: str, now: datetime) -> StoredToken | None:
        """Return the token with this name that is neither revoked nor expired.

        No other transaction can add tokens by their names until this one ends.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TOKEN_NAMES})")
        return next((token for token in self.tokens() if token.name == name and token.is_valid(now)), None)

    def note_token_use(self, token_id: str, now: datetime) -> None:
        """Note that a token was used."""
        self._connection.execute(update(ServiceToken).where(ServiceToken.token_id == token_id).values(last_used_at=now))

    def revoke_token(self, token_id: str, now: datetime) -> bool:
        """Revoke a token; False if there is none or it is already revoked."""
        revoked = self._connection.execute(
            update(ServiceToken)
            .where(ServiceToken.token_id == token_id, ServiceToken.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return revoked.rowcount == 1

    def _tokens(self, token_id: str | None) -> tuple[StoredToken, ...]:
        query = select(*_TOKEN).order_by(ServiceToken.created_at, ServiceToken.token_id)
        if token_id is not None:
            query = query.where(ServiceToken.token_id == token_id)
        rows = readable_rows(self._connection.execute(query), _TOKEN)
        return tuple(StoredToken(**{**row._asdict(), "scopes": tuple(row.scopes.split())}) for row in rows)

    def _update_session(self, session_id: UUID, **columns: object) -> None:
        self._connection.execute(update(AdminSession).where(AdminSession.session_id == session_id).values(**columns))


def _of_person(issuer: str | None, subject: str | None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions; a comparison with None is ``IS NULL``."""
    return AdminSession.issuer == issuer, AdminSession.subject == subject


def _logged_out(sid: str | None, subject: str | None) -> ColumnElement[bool]:
    """Return the condition: a session whose issuer gave it no name ends with any of its person's."""
    of_person = AdminSession.subject == subject
    if sid is None:
        return of_person
    return or_(AdminSession.sid == sid, and_(AdminSession.sid.is_(None), of_person))

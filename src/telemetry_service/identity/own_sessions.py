"""Where a person is logged in, and ending that: one session, all others, or all."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import NotFoundError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.person import Person
from telemetry_service.identity.open_doors import OpenDoors
from telemetry_service.identity.sessions import has_ended, key_of
from telemetry_service.storage.database import Database
from telemetry_service.storage.identity import StoredSession


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What may be shown about a session."""

    session_id: UUID
    started_at: datetime
    last_seen_at: datetime
    """Accurate to about a minute."""
    address: str | None
    browser: str | None
    current: bool
    """Whether it is the one that asks."""


class OwnSessions:
    """A person's own sessions. ``others_sessions.py`` ends those of others."""

    def __init__(self, database: Database, clock: Clock, doors: OpenDoors) -> None:
        """Work on the sessions in ``database``."""
        self._database = database
        self._clock = clock
        self._doors = doors

    def list(self, person: Person, current: UUID | None) -> tuple[SessionFacts, ...]:
        """Return the sessions that have not ended, latest first."""
        now, (issuer, subject) = self._clock.now(), key_of(person)
        with self._database.read() as tx:
            stored = tx.identity.sessions_of(issuer, subject) if self._doors.admit(tx, issuer, now) else ()
        return tuple(_facts(one, current) for one in stored if not has_ended(one, now))

    def end(self, person: Person, session_id: UUID, actor: Actor) -> None:
        """End one session.

        Raises:
            NotFoundError: the person has no such session.
        """
        now = self._clock.now()
        with self._database.write() as tx:
            own = {one.session_id for one in tx.identity.sessions_of(*key_of(person)) if not has_ended(one, now)}
            if session_id not in own or not tx.identity.remove_session(session_id):
                raise NotFoundError
            tx.ledger.note(now, actor, Kind.SESSIONS_ENDED, {"sessions_ended": 1})

    def end_all(self, person: Person, actor: Actor, kept: UUID | None = None) -> int:
        """End all sessions, or all but one; return how many there were."""
        with self._database.write() as tx:
            ended = tx.identity.remove_sessions_of(*key_of(person), kept)
            if ended:
                tx.ledger.note(self._clock.now(), actor, Kind.SESSIONS_ENDED, {"sessions_ended": ended})
        return ended


def _facts(stored: StoredSession, current: UUID | None) -> SessionFacts:
    return SessionFacts(
        session_id=stored.session_id,
        started_at=stored.created_at,
        last_seen_at=stored.last_seen_at,
        address=stored.address,
        browser=stored.browser,
        current=stored.session_id == current,
    )

"""Where all other people are logged in, for an administrator, who may end that: of one person, or of all."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import NotFoundError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.person import Person
from telemetry_service.identity.open_doors import OpenDoors
from telemetry_service.identity.sessions import has_ended, key_of, person_of_stored
from telemetry_service.storage.database import Database, Transaction
from telemetry_service.storage.identity import StoredSession

_Key = tuple[str | None, str | None]
"""Issuer and subject."""


@dataclass(frozen=True, slots=True)
class OtherPerson:
    """Someone who is logged in."""

    person: Person
    sessions: int
    last_seen_at: datetime
    """Accurate to about a minute."""
    person_id: UUID
    """It stands for the person, whose name is not unique, and stays when one of the sessions ends."""


class OthersSessions:
    """The sessions of everyone but the person who asks."""

    def __init__(self, database: Database, clock: Clock, doors: OpenDoors) -> None:
        """Work on the sessions in ``database``."""
        self._database = database
        self._clock = clock
        self._doors = doors

    def people(self, asks: Person) -> tuple[OtherPerson, ...]:
        """Return the others who are logged in, last seen first."""
        with self._database.read() as tx:
            of_each = self._by_person(tx, asks)
        people = (_other_person(sessions) for sessions in of_each.values())
        return tuple(sorted(people, key=lambda one: one.last_seen_at, reverse=True))

    def end(self, asks: Person, person_id: UUID, actor: Actor) -> int:
        """End all sessions of another person; return how many there were.

        Raises:
            NotFoundError: no such person is logged in.
        """
        with self._database.write() as tx:
            for key in self._by_person(tx, asks):
                if person_id == _id_of(*key):
                    return self._noted(tx, tx.identity.remove_sessions_of(*key), actor)
        raise NotFoundError

    def end_all(self, asks: Person, actor: Actor) -> int:
        """End the sessions of everyone else, whatever way they came in; return how many there were."""
        with self._database.write() as tx:
            keys = self._unended(tx, asks)
            return self._noted(tx, sum(tx.identity.remove_sessions_of(*key) for key in keys), actor)

    def _noted(self, tx: Transaction, ended: int, actor: Actor) -> int:
        if ended:
            tx.ledger.note(self._clock.now(), actor, Kind.SESSIONS_ENDED, {"sessions_ended": ended})
        return ended

    def _by_person(self, tx: Transaction, asks: Person) -> dict[_Key, list[StoredSession]]:
        now, found = self._clock.now(), self._unended(tx, asks)
        return {key: sessions for key, sessions in found.items() if self._doors.admit(tx, key[0], now)}

    def _unended(self, tx: Transaction, asks: Person) -> dict[_Key, list[StoredSession]]:
        now = self._clock.now()
        found: dict[_Key, list[StoredSession]] = {}
        for one in tx.identity.all_sessions():
            if (one.issuer, one.subject) != key_of(asks) and not has_ended(one, now):
                found.setdefault((one.issuer, one.subject), []).append(one)
        return found


def _other_person(sessions: Iterable[StoredSession]) -> OtherPerson:
    by_use = sorted(sessions, key=lambda one: one.last_seen_at)
    last = by_use[-1]
    return OtherPerson(person_of_stored(last), len(by_use), last.last_seen_at, _id_of(last.issuer, last.subject))


def _id_of(issuer: str | None, subject: str | None) -> UUID:
    return UUID(bytes=hashlib.sha256(json.dumps([issuer, subject]).encode()).digest()[:16])

"""Refused callers in the ledger, without letting them decide how much is written.

The first refusal is written at once. Later ones are counted in memory, and the waking adds them to what the database
counts. So a stranger who sends a wrong token a thousand times a second causes two writes in five seconds, and two
entries an hour.
"""

from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.storage.database import Database
from telemetry_service.storage.ledger import about_of


class _Refused(NamedTuple):
    """What is counted together. Strangers are one, so memory holds a few of these for each account and token."""

    kind: Kind
    who: ActorKind
    id: str | None
    name: str | None
    about: str


class Refusals:
    """What the callers of one process were refused."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Write into ``database``."""
        self._database = database
        self._clock = clock
        self._lock = Lock()
        self._uncounted: dict[_Refused, int] = {}

    def note(self, actor: Actor, kind: Kind, details: Mapping[str, Value] | None = None) -> None:
        """Note a refusal. If nothing can be written, it is counted later: it is a refusal all the same."""
        refused = _Refused(kind, actor.kind, actor.id, actor.name, about_of(details))
        if not self._is_first(refused):
            return
        try:
            with self._database.write() as tx:
                tx.ledger.note_often(self._clock.now(), actor, kind, details)
        except StorageUnavailableError:
            self._count({refused: 1})

    def flush(self) -> None:
        """Add what memory has counted to what the database has counted.

        Raises:
            StorageUnavailableError: nothing was written; it is counted again.
        """
        with self._lock:
            counted, self._uncounted = self._uncounted, {}
        if not any(counted.values()):
            return
        now = self._clock.now()
        try:
            with self._database.write() as tx:
                for refused, times in sorted(counted.items()):
                    if times:
                        actor = Actor(refused.who, refused.id, refused.name)
                        tx.ledger.count_more(now, actor, refused.kind, refused.about, times)
        except StorageUnavailableError:
            self._count(counted)
            raise

    def _is_first(self, refused: _Refused) -> bool:
        with self._lock:
            known = refused in self._uncounted
            self._uncounted[refused] = self._uncounted.get(refused, -1) + 1
        return not known

    def _count(self, more: Mapping[_Refused, int]) -> None:
        with self._lock:
            for refused, times in more.items():
                self._uncounted[refused] = self._uncounted.get(refused, 0) + times

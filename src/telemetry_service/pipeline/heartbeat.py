"""The heartbeat: a row that each process commits regularly, which shows that it wakes and can write.

Readiness uses it, from memory. Querying the database for each probe would only show that it can be read, would wait for
whatever other requests wait for, and would not notice a stopped schedule.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.readiness import Readiness
from telemetry_service.pipeline.runtime import Runtime


@dataclass(frozen=True, slots=True)
class HeartbeatLimits:
    """How often the heartbeat is committed, and how long without one makes the process not ready."""

    every: float = 15
    """Seconds. Each one is a transaction of a few kilobytes, even while nothing else happens."""
    stale_after: float = 60
    """Seconds. A shorter outage of the database, as in a failover, does not make the process unready."""


class Heartbeat:
    """One process's heartbeat. Only the thread of the waking writes it; any thread may read the readiness.

    Every process has its own row, so that replicas never wait for each other here.
    """

    def __init__(self, runtime: Runtime, limits: HeartbeatLimits | None = None) -> None:
        """Prepare; nothing is written yet."""
        self._runtime = runtime
        self._limits = limits or HeartbeatLimits()
        self._process_id: UUID | None = None
        # All by the monotonic clock. Each is written by one thread and read atomically, so no lock is needed.
        self._woke_at: float | None = None
        self._began_at: float | None = None
        self._committed_at: float | None = None
        self._due = True

    @property
    def every(self) -> float:
        """Seconds from one heartbeat to the next."""
        return self._limits.every

    def beat_if_due(self) -> None:
        """Record that the process woke, and commit a heartbeat unless the last one is recent.

        Raises:
            StorageUnavailableError: it cannot be committed; the next waking tries again.
        """
        self._woke_at = time.monotonic()
        if self._due or self._committed_at is None or self._woke_at - self._committed_at >= self._limits.every:
            self._beat()

    def hasten(self) -> None:
        """Let the next waking commit a heartbeat, because what it says has changed."""
        self._due = True

    def begin(self) -> None:
        """Commit the first heartbeat if possible, so that a process is ready once it has started."""
        try:
            self.beat_if_due()
        except TelemetryError:
            return  # The wakings try again; until then the process is not ready.

    def end(self) -> None:
        """Say that the process has ended, so that nothing waits for its heartbeat to grow old.

        Raises:
            StorageUnavailableError: it cannot be said; others find out by its age.
        """
        if self._process_id is not None:
            with self._runtime.database.write() as tx:
                tx.heartbeats.end(self._process_id)

    def readiness(self) -> Readiness:
        """Return what is known now, without a query and without waiting."""
        now, began_at, committed_at = time.monotonic(), self._began_at, self._committed_at
        fresh = committed_at is not None and now - committed_at <= self._limits.stale_after
        # Begun but not committed: it failed, or is still waiting for the database.
        uncommitted = began_at is not None and (committed_at is None or committed_at < began_at)
        woke = self._woke_at is not None and now - self._woke_at <= self._limits.stale_after
        return Readiness(
            database=fresh or not uncommitted,
            scheduler=woke or uncommitted,
            last_waking_age_seconds=_age(self._woke_at, now),
            last_heartbeat_age_seconds=_age(committed_at, now),
        )

    def _beat(self) -> None:
        self._began_at = time.monotonic()
        self._due = False  # Before the keys are read: if they change meanwhile, the next one says so.
        now = self._runtime.clock.now()
        first = self._process_id is None
        process_id = self._process_id or time_ordered_id(now)
        self._runtime.database.check()
        with self._runtime.database.write() as tx:
            tx.heartbeats.beat(process_id, now, " ".join(key_id.hex() for key_id in self._runtime.keys.ids))
            if first:
                tx.heartbeats.remove_old(now)
        self._process_id = process_id
        self._committed_at = time.monotonic()


def _age(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(now - moment, 3)

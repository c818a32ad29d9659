"""The heartbeat: a row that the waking commits again and again, which shows that it wakes and that it can write.

Readiness is read from it, in memory. A look at the database for each probe would show that it can be read, would
wait for whatever the other requests wait for, and would know nothing of a schedule that has stopped.
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
    """How often the heartbeat is committed, and after how long without one the process is not ready."""

    every: float = 15
    """Seconds. Each one is a transaction, also while nothing else happens: some kilobytes."""
    stale_after: float = 60
    """Seconds. A database that is away for shorter, as in a failover, makes no one take the service out of use."""


class Heartbeat:
    """One process's heartbeat. Only the waking's own thread beats; any thread may ask for the readiness.

    Every process has a row of its own, so that replicas never wait for each other here.
    """

    def __init__(self, runtime: Runtime, limits: HeartbeatLimits | None = None) -> None:
        """Prepare; nothing is written yet."""
        self._runtime = runtime
        self._limits = limits or HeartbeatLimits()
        self._process_id: UUID | None = None
        # All by the monotonic clock. Each is written by one thread and read at once, so no lock is needed.
        self._woke_at: float | None = None
        self._began_at: float | None = None
        self._committed_at: float | None = None

    @property
    def every(self) -> float:
        """Seconds from one heartbeat to the next."""
        return self._limits.every

    def beat_if_due(self) -> None:
        """Note that the process woke, and commit a heartbeat unless the last one is recent.

        Raises:
            StorageUnavailableError: it cannot be committed; the next waking tries again.
        """
        self._woke_at = time.monotonic()
        if self._committed_at is None or self._woke_at - self._committed_at >= self._limits.every:
            self._beat()

    def begin(self) -> None:
        """Commit the first heartbeat where that is possible, so that a process is ready once it has started."""
        try:
            self.beat_if_due()
        except TelemetryError:
            return  # The wakings try again, and readiness says so until then.

    def readiness(self) -> Readiness:
        """Return what is known at this moment. It asks no one and never waits."""
        now, began_at, committed_at = time.monotonic(), self._began_at, self._committed_at
        fresh = committed_at is not None and now - committed_at <= self._limits.stale_after
        # Begun and not committed: it failed, or it still waits for the database.
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
        now = self._runtime.clock.now()
        first = self._process_id is None
        process_id = self._process_id or time_ordered_id(now)
        self._runtime.database.check()
        with self._runtime.database.write() as tx:
            tx.heartbeats.beat(process_id, now)
            if first:
                tx.heartbeats.remove_old(now)
        self._process_id = process_id
        self._committed_at = time.monotonic()


def _age(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(now - moment, 3)

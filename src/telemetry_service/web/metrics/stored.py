"""What the database says, read again for each scrape. Replicas that share it say the same."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.health import of_proof
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.queries.health import HealthReport, count_by_state, read_health
from telemetry_service.pipeline.queries.source import read_source
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from telemetry_service.storage.deadline import one_call
from telemetry_service.web.metrics.names import Name, count, counts, gauge, gauges

_READ_SECONDS = 5
"""Prometheus gives up a scrape after ten. What the process itself knows must arrive also if the database hangs."""


class StoredFacts(Collector):
    """The metrics that come from the database."""

    def __init__(self, runtime: Runtime) -> None:
        """Read nothing yet."""
        self._runtime = runtime

    def describe(self) -> list[Metric]:
        """Describe nothing in advance, because that must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database. If it cannot be read, say only so."""
        try:
            with one_call(_READ_SECONDS):
                found = self._read()
        except StorageUnavailableError:
            found = []
        yield gauge(Name.DATABASE_UP, bool(found))
        yield counts(Name.DATABASE_ERRORS, self._runtime.database.failures().items())
        yield from found

    def _read(self) -> list[Metric]:
        with open_snapshot(self._runtime) as snapshot:
            report = read_health(snapshot)
            return [*_delivery(report, snapshot), *_ledger(snapshot), *_source(snapshot), *self._space(snapshot)]

    def _space(self, snapshot: Snapshot) -> Iterator[Metric]:
        yield gauge(Name.DATABASE_BYTES, snapshot.tx.space.used_bytes())
        free = self._runtime.database.free_bytes()
        if free is not None:
            yield gauge(Name.DISK_FREE, free)


def exposition_of(runtime: Runtime) -> bytes:
    """Return these metrics alone, for a process that counts nothing."""
    registry = CollectorRegistry()
    registry.register(StoredFacts(runtime))
    return generate_latest(registry)


def _delivery(report: HealthReport, snapshot: Snapshot) -> Iterator[Metric]:
    waiting = report.verdict.situation.waiting
    yield gauges(Name.HEALTH, ((status, status is report.health.status) for status in HealthStatus))
    yield gauges(Name.HEALTH_FINDING, of_proof(report.verdict.situation).items())
    yield gauges(Name.TRANSMISSIONS, count_by_state(snapshot).items())
    yield gauge(Name.WAITING, report.waiting)
    yield gauge(Name.PAYLOAD_CHANGED, waiting.payload_changed)
    yield gauge(Name.OLDEST_WAITING, unix_time(waiting.here_since, snapshot.now))
    yield gauge(Name.LAST_ACCEPTED, unix_time(report.last_accepted_at, snapshot.now))
    if report.next_run_at is not None:
        yield gauge(Name.NEXT_RUN, report.next_run_at.timestamp())
    if report.verdict.connected is not None:
        yield gauge(Name.CONNECTED, report.verdict.connected)


def _ledger(snapshot: Snapshot) -> Iterator[Metric]:
    found: Verification | None = snapshot.verification
    yield gauge(Name.LEDGER_ENTRIES, snapshot.tx.ledger.head().seq)
    yield gauge(Name.LEDGER_VERIFIED, found.seq if found else 0)
    yield gauge(Name.LEDGER_VERIFIED_AT, unix_time(found.complete_at if found else None, snapshot.now))
    yield gauge(Name.LEDGER_PROBLEMS, len(found.problems) if found else 0)
    yield gauge(Name.RECEIPTS_UNVERIFIED, len(found.unverified) if found else 0)


def _source(snapshot: Snapshot) -> Iterator[Metric]:
    view = read_source(snapshot)
    if not view.configured:
        return
    yield count(Name.SOURCE_ROWS, view.rows)
    yield gauge(Name.SOURCE_LAG, view.lag_seconds or 0)
    yield gauge(Name.SOURCE_STOPPED, view.obstacle is not None)
    yield gauge(Name.SOURCE_SHARED, view.shared_bouncers)
    if view.catch_up is not None:
        looked_at, total = view.catch_up.looked_at, view.catch_up.total
        yield gauge(Name.SOURCE_CATCH_UP, 1.0 if view.catch_up.finished else min(looked_at / max(total, 1), 1.0))


def unix_time(moment: datetime | None, now: datetime) -> float:
    """Return seconds since 1970; 0 for never, as is usual for Prometheus.

    What a clock dated that was ahead counts as new.
    """
    return 0 if moment is None else min(moment, now).timestamp()

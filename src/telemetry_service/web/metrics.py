"""The metrics for Prometheus: counts and times, no names, no addresses. They are collected on request."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry_service import __version__
from telemetry_service.domain.facts import RecordingResult
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.queries.health import HealthReport, count_by_state, read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics(Collector):
    """The metrics of one process: its own counts, and what all replicas share."""

    def __init__(self, runtime: Runtime) -> None:
        """Start counting; the database is read at each scrape."""
        self._registry = CollectorRegistry()
        self._reports = Counter(
            "telemetry_usage_reports",
            "Usage reports acknowledged by this process.",
            ("result",),
            registry=self._registry,
        )
        for result in ("accepted", "duplicate"):
            self._reports.labels(result)
        self._runtime = runtime
        self._registry.register(self)

    def recorded(self, result: RecordingResult) -> None:
        """Count the reports of one call."""
        self._reports.labels("accepted").inc(result.accepted)
        self._reports.labels("duplicate").inc(result.duplicates)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus format.

        Raises:
            StorageUnavailableError: the database cannot be read.
        """
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Describe nothing in advance, because that must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database."""
        with open_snapshot(self._runtime) as snapshot:
            report, states = read_health(snapshot), count_by_state(snapshot)
            verification, entries = snapshot.verification, snapshot.tx.ledger.head().seq
        yield InfoMetricFamily("telemetry_build", "The version of this service.", {"version": __version__})
        status = [(status, status is report.health.status) for status in HealthStatus]
        yield _one_of_each("telemetry_health", "Health status: 1 for the current one.", "status", status)
        yield GaugeMetricFamily(
            "telemetry_transmissions_waiting", "Transmissions not accepted yet.", value=report.waiting
        )
        yield _one_of_each("telemetry_transmissions", "Transmissions in the history.", "state", states.items())
        yield from _ledger(entries, verification, self._runtime.clock.now())
        yield GaugeMetricFamily(
            "telemetry_transmissions_payload_changed",
            "Waiting transmissions whose payload is not the one that was signed, so that it is not sent.",
            value=report.verdict.situation.waiting.payload_changed,
        )
        for name, meaning, value in _moments(report, self._runtime.clock.now()):
            if value is not None:
                yield GaugeMetricFamily(name, meaning, value=value)


def _ledger(entries: int, verification: Verification | None, now: datetime) -> Iterator[Metric]:
    """Yield the gauges of the ledger. All but the first are absent until it was verified."""
    yield GaugeMetricFamily("telemetry_ledger_entries", "The number of the latest ledger entry.", value=entries)
    if verification is None:
        return
    gauges = (
        ("telemetry_ledger_verified_entries", "The number of the latest verified ledger entry.", verification.seq),
        (
            "telemetry_ledger_verification_age_seconds",
            "Seconds since the ledger, the tables, and the evidence were last verified completely.",
            max(0.0, (now - verification.complete_at).total_seconds()),
        ),
        ("telemetry_ledger_problems", "Problems found by the last verification.", len(verification.problems)),
        (
            "telemetry_receipts_unverified",
            "Transmissions accepted without a valid receipt although a key was pinned.",
            len(verification.unverified),
        ),
    )
    for name, meaning, value in gauges:
        yield GaugeMetricFamily(name, meaning, value=value)


def _moments(report: HealthReport, now: datetime) -> Iterator[tuple[str, str, float | None]]:
    """Yield name, meaning and value of the gauges that are absent while they have no value."""
    accepted, run = report.last_accepted_at, report.next_run_at
    # If a clock that was ahead dated it, it counts as new.
    age = None if accepted is None else max(0.0, (now - accepted).total_seconds())
    yield "telemetry_last_accepted_age_seconds", "Seconds since the last accepted transmission.", age
    yield "telemetry_next_run_timestamp_seconds", "Unix time of the next run.", None if run is None else run.timestamp()
    meaning = "Whether the latest exchange with the License Server succeeded; absent while telemetry is off."
    yield "telemetry_license_server_connected", meaning, report.verdict.connected


def _one_of_each(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a gauge with a value for each member of a closed set."""
    family = GaugeMetricFamily(name, meaning, labels=(label,))
    for member, value in values:
        family.add_metric((member,), value)
    return family

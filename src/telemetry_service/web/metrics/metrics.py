"""The metrics of one process, in the format of Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry_service import __version__
from telemetry_service.domain.facts import RecordingResult
from telemetry_service.domain.readiness import Readiness
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.web.metrics.events import EventCounts, counter
from telemetry_service.web.metrics.names import METRICS, Name, gauge, gauges
from telemetry_service.web.metrics.requests import RequestCounts
from telemetry_service.web.metrics.stored import StoredFacts

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """What one process counts, what it knows of itself, and what all replicas share."""

    def __init__(self, runtime: Runtime, readiness: Callable[[], Readiness]) -> None:
        """Count from now on, except events: those from ``events.begin()`` on."""
        # A second series for each, which hardly anyone reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.events = EventCounts(self.registry)
        self.requests = RequestCounts(self.registry)
        self._reports = counter(self.registry, Name.USAGE_REPORTS)
        for result in ("accepted", "duplicate"):
            self._reports.labels(result)
        self.registry.register(_OwnFacts(runtime, readiness))
        self.registry.register(StoredFacts(runtime))
        ProcessCollector(registry=self.registry)

    def recorded(self, result: RecordingResult) -> None:
        """Count the reports of one call."""
        self._reports.labels("accepted").inc(result.accepted)
        self._reports.labels("duplicate").inc(result.duplicates)

    def exposition(self) -> bytes:
        """Return the metrics. They are there, as far as they are known, also if the database is not."""
        return generate_latest(self.registry)


class _OwnFacts(Collector):
    """What the process knows of itself without asking anyone."""

    def __init__(self, runtime: Runtime, readiness: Callable[[], Readiness]) -> None:
        self._runtime = runtime
        self._readiness = readiness

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        meaning, now, known = METRICS[Name.BUILD], self._runtime.clock.now().timestamp(), self._readiness()
        build = GaugeMetricFamily(Name.BUILD, meaning.text, labels=meaning.labels)
        build.add_metric((__version__, self._runtime.database.kind), 1)
        yield build
        yield gauge(Name.CLOCK, now)
        yield gauges(Name.READY, (("database", known.database), ("scheduler", known.scheduler)))
        # The age comes from the monotonic clock, so that a clock that is set changes nothing but the scale.
        age = known.last_waking_age_seconds
        yield gauge(Name.LAST_WAKING, 0 if age is None else now - age)

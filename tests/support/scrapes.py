"""The metrics of a site over days that pass in seconds, judged by Prometheus's own rules and its own program.

The site's clock is moved hour by hour; each hour, the service does what it does at its wakings, and is scraped.
``promtool`` then evaluates the rules of ``deploy/monitoring/alerts.yml`` over what was scraped.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from telemetry_service.domain.readiness import Readiness
from telemetry_service.pipeline.heartbeat import Heartbeat
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.purge import purge_if_due
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.web.metrics.metrics import Metrics
from telemetry_service.web.metrics.names import Name
from tests.support.programs import needs
from tests.support.shared_clock import SharedClock

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
ALERTS = FOLDER / "alerts.yml"

needs_promtool = needs(shutil.which("promtool"), "promtool, of the distribution's package prometheus, is not installed")

_STEP_MINUTES = 15
STEP_SECONDS = 60 * _STEP_MINUTES
_STEPS_AN_HOUR = 60 // _STEP_MINUTES
_JOB = 'instance="10.0.0.7:8080",job="control-core-telemetry"'
_CLOCKS = frozenset({Name.CLOCK, Name.LAST_WAKING})


class Scrapes:
    """What Prometheus has scraped of one site since the hour before the first."""

    def __init__(self, runtime: Runtime, clock: SharedClock) -> None:
        """Scrape nothing yet."""
        self.runtime, self._clock = runtime, clock
        self._start = clock.now()
        self._hours = 0
        self.fixed: dict[str, float] = {Name.DISK_FREE: 50e9}
        """What is not taken from this machine: the alerts are not about its disk."""
        self.goes_on: dict[str, int] = dict.fromkeys(_CLOCKS, STEP_SECONDS)
        """What grows between two scrapes of an hour, and by how much in a step."""
        self._scraped: list[int] = []
        self._series: dict[str, dict[int, float]] = {}
        self._heartbeat = Heartbeat(runtime)
        self._readiness: Callable[[], Readiness] = self._heartbeat.readiness
        self.metrics = Metrics(runtime, self._known)
        self.metrics.events.begin()

    def close(self) -> None:
        """Stop counting."""
        self.metrics.events.end()

    def let_pass(self, hours: int, *, every: int = 1, wakes: bool = True, sweeps: bool = True) -> None:
        """Let hours pass; ``every`` so many of them, the service wakes and its database is verified, or not."""
        for _ in range(0, hours, every):
            self._clock.advance(hours=every)
            self._hours += every - 1
            if wakes:
                self._heartbeat.beat_if_due()
                wake(self.runtime)
                read_up_to_now(self.runtime)
                purge_if_due(self.runtime)
            if sweeps:
                sweep(self.runtime, timedelta(0))
            self.scrape()

    def see_readiness(self, readiness: Callable[[], Readiness]) -> None:
        """Let the process say this of itself."""
        self._readiness = readiness

    def scrape(self, *, up: bool = True, clock_ahead: float = 0) -> None:
        """Scrape now; ``clock_ahead`` are the seconds by which the clock of Prometheus lags behind the service's."""
        self._hours += 1
        self._scraped.append(self._hours)
        self._add(f"up{{{_JOB}}}", float(up))
        if not up:
            return
        for family in text_string_to_metric_families(self.metrics.exposition().decode()):
            for sample in family.samples:
                labels = ",".join((_JOB, *(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))))
                value = self.fixed.get(sample.name, self._since_start(sample.name, sample.value))
                self._add(f"{sample.name}{{{labels}}}", value + (clock_ahead if sample.name in _CLOCKS else 0))

    def firing(self, folder: Path) -> set[str]:
        """Return the names of the alerts that fired at any time."""
        named = _named()
        input_series = [
            {"series": series, "values": self._values(series, values)}
            for series, values in self._series.items()
            if series.partition("{")[0] in named
        ]
        query = f'count by (alertname) (last_over_time(ALERTS{{alertstate="firing"}}[{self._hours + 1}h]))'
        test = {
            "interval": f"{_STEP_MINUTES}m",
            "input_series": input_series,
            "promql_expr_test": [{"expr": query, "eval_time": f"{self._hours + 1}h", "exp_samples": [_IMPOSSIBLE]}],
        }
        document = {"rule_files": [str(ALERTS)], "evaluation_interval": f"{_STEP_MINUTES}m", "tests": [test]}
        return _found(folder, document)

    def remember(self, folder: Path) -> tuple[float, float]:
        """Write everything into the storage of a Prometheus in ``folder``; return the first and the last moment."""
        named, began = _named(), self._start.timestamp()
        lines = [
            f"{series} {value} {began + minutes * 60}\n"
            for series, values in self._series.items()
            if series.partition("{")[0] in named
            for minutes, value in self._points(series, values)
        ]
        file = folder / "scraped.txt"
        file.write_text("".join([*lines, "# EOF\n"]))
        wide = f"--max-block-duration={2 * self._hours}h"
        done, said = promtool("tsdb", "create-blocks-from", wide, "openmetrics", str(file), str(folder / "data"))
        assert done == 0, said
        return began + self._scraped[0] * 3600, began + self._hours * 3600

    def _points(self, series: str, values: dict[int, float]) -> Iterator[tuple[int, float]]:
        """Yield the minute and the value of each step, as a Prometheus sees it that scrapes all the time."""
        name = series.partition("{")[0]
        began = self._start.timestamp() if name.endswith("_timestamp_seconds") else 0
        for hour, following in pairwise((*self._scraped, self._hours + 1)):
            for step in range((following - hour) * _STEPS_AN_HOUR if hour in values else 0):
                value = values[hour] + self.goes_on.get(name, 0) * step
                yield hour * 60 + step * _STEP_MINUTES, value + (began if values[hour] else 0)

    def _known(self) -> Readiness:
        return self._readiness()

    def _add(self, series: str, value: float) -> None:
        self._series.setdefault(series, {})[self._hours] = value

    def _since_start(self, name: str, value: float) -> float:
        """Return a time as promtool counts it, whose clock begins at 0; 0 stays "never"."""
        return value - self._start.timestamp() if name.endswith("_timestamp_seconds") and value else value

    def _values(self, series: str, values: dict[int, float]) -> str:
        step = self.goes_on.get(series.partition("{")[0], 0)
        scraped = self._scraped
        parts = [f"_x{scraped[0] * _STEPS_AN_HOUR}"]
        for hour, following in pairwise((*scraped, self._hours + 1)):
            steps = (following - hour) * _STEPS_AN_HOUR
            parts.append(f"{values[hour]}+{step}x{steps - 1}" if hour in values else f"_x{steps}")
        return " ".join(parts)


_IMPOSSIBLE = {"labels": '{alertname="none of ours"}', "value": 1}
"""promtool only compares. What it prints about this difference is what it found."""


def promtool(*arguments: str) -> tuple[int, str]:
    """Return the exit code and the output of Prometheus's own program."""
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _found(folder: Path, document: object) -> set[str]:
    file = folder / "test.yml"
    file.write_text(json.dumps(document))
    _, output = promtool("test", "rules", str(file))
    got = re.search(r"got:\s*(.*)", output, re.DOTALL)
    assert got is not None, output[:4_000]
    return set(re.findall(r'alertname="(\w+)"', got[1]))


def _named() -> set[str]:
    """Return the metrics that the alerts are about."""
    return set(re.findall(r"\b(?:telemetry_\w+|up)\b", ALERTS.read_text()))


def rules() -> list[dict[str, str]]:
    """Return the rules of all alerts."""
    found: list[dict[str, str]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return found


def alert_names() -> set[str]:
    """Return the names of all alerts."""
    return {rule["alert"] for rule in rules()}

"""A real Prometheus that scrapes a service with the configuration and the rules of ``deploy/monitoring``."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.programs import needs
from tests.support.running import UNUSED_TLS
from tests.support.scrapes import ALERTS, FOLDER

_PATIENCE_SECONDS = 90
_PROGRAM = shutil.which("prometheus")
NEEDS_PROMETHEUS = needs(_PROGRAM, "prometheus is not installed (make test installs it)")


_HOLDS = re.compile(r"(?<= for: )(\d+)([mh])")
_QUICKENED = 900
"""A test has no time for what holds for an hour: here it holds for four seconds. test_alerts.py has the real times."""


def _sooner(found: re.Match[str]) -> str:
    return f"{int(found[1]) * {'m': 60_000, 'h': 3_600_000}[found[2]] // _QUICKENED}ms"


class Prometheus:
    """Use it as a context manager. Each of ``targets``, a host and a port, is scraped every two seconds."""

    def __init__(self, folder: Path, targets: Sequence[str], token: str) -> None:
        """Write its configuration into ``folder``."""
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        (folder / "token").write_text(token)
        text = (FOLDER / "prometheus.yml").read_text()
        for shipped, here in (
            ("/etc/prometheus/telemetry_token", str(folder / "token")),
            ('["127.0.0.1:8080"]', json.dumps(targets)),
            ("scrape_interval: 30s", "scrape_interval: 2s"),
            ("alerts.yml", str(folder / "alerts.yml")),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        (folder / "prometheus.yml").write_text(f"global: {{evaluation_interval: 1s}}\n{text}")
        (folder / "alerts.yml").write_text(_HOLDS.sub(_sooner, ALERTS.read_text()))

    def __enter__(self) -> Self:
        assert _PROGRAM is not None
        self._errors = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                _PROGRAM,
                f"--config.file={self._folder}/prometheus.yml",
                f"--storage.tsdb.path={self._folder}/data",
                "--storage.tsdb.retention.time=90d",
                f"--web.listen-address={self._address}",
            ],
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        self._client = httpx.Client(base_url=f"http://{self._address}", trust_env=False, timeout=60, verify=UNUSED_TLS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait()
        self._errors.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression, now."""
        response = self._client.get("/api/v1/query", params={"query": expression})
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return []  # It is still starting.
        assert response.status_code == HTTPStatus.OK, f"{expression}: {response.text}"
        found: list[dict[str, Any]] = response.json()["data"]["result"]
        return found

    def moments(self, expression: str, start: float, end: float, step: int) -> int:
        """Return how many of the moments between ``start`` and ``end``, ``step`` seconds apart, have such a series."""
        times = {"start": start, "end": end, "step": step}
        response = self._client.get("/api/v1/query_range", params={"query": expression, **times})
        assert response.status_code == HTTPStatus.OK, f"{expression}: {response.text}"
        return len({at for one in response.json()["data"]["result"] for at, _ in one["values"]})

    def firing(self) -> dict[str, set[str]]:
        """Return the names of the alerts that fire now, by the target that they are about."""
        found: dict[str, set[str]] = {}
        for one in self.query('ALERTS{alertstate="firing"}'):
            found.setdefault(one["metric"]["instance"], set()).add(one["metric"]["alertname"])
        return found

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression, once there are any."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                if found := self.query(expression):
                    return found
            except httpx.TransportError:  # It is still starting.
                pass
            assert time.monotonic() < until, f"{expression} has no series: {self._said()}"
            time.sleep(0.2)

    def _said(self) -> str:
        return (self._folder / "prometheus.log").read_text()[-4_000:]


def dashboard_queries() -> dict[str, str]:
    """Return the queries of the dashboard by title, for the job of the shipped configuration."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$job", "control-core-telemetry")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }

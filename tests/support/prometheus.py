"""A real Prometheus that scrapes a service with the configuration and the rules of ``deploy/monitoring``."""

import json
import re
import shutil
import socket
import subprocess
import time
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.programs import needs
from tests.support.running import UNUSED_TLS
from tests.support.scrapes import FOLDER

_PATIENCE_SECONDS = 90
_PROGRAM = shutil.which("prometheus")
NEEDS_PROMETHEUS = needs(_PROGRAM, "prometheus is not installed (make test installs it)")


class Prometheus:
    """Use it as a context manager. ``target`` is the host and port that it scrapes, each second."""

    def __init__(self, folder: Path, target: str, token: str) -> None:
        """Write its configuration into ``folder``."""
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        (folder / "token").write_text(token)
        text = (FOLDER / "prometheus.yml").read_text()
        for shipped, here in (
            ("/etc/prometheus/telemetry_token", str(folder / "token")),
            ("127.0.0.1:8080", target),
            ("scrape_interval: 30s", "scrape_interval: 1s"),
            ("alerts.yml", str(folder / "alerts.yml")),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        (folder / "prometheus.yml").write_text(f"global: {{evaluation_interval: 1s}}\n{text}")
        # A test has no time for what holds for minutes; how long each must hold is what test_alerts.py is about.
        rules = (FOLDER / "alerts.yml").read_text()
        (folder / "alerts.yml").write_text(re.sub(r" +for: .*\n", "", rules))

    def __enter__(self) -> Self:
        assert _PROGRAM is not None
        self._errors = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                _PROGRAM,
                f"--config.file={self._folder}/prometheus.yml",
                f"--storage.tsdb.path={self._folder}/data",
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

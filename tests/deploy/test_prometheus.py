"""The shipped monitoring in a real Prometheus: it scrapes with its token, its dashboard has values, its rules fire."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.connected import connected_service, connection_to
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.prometheus import NEEDS_PROMETHEUS, Prometheus, dashboard_queries
from tests.support.running import Running
from tests.support.source import sqlite_audit_table
from tests.web.api.test_facts import report, send

pytestmark = [NEEDS_PROMETHEUS, pytest.mark.waits]

_EMPTY_IN_HEALTH = {"Database errors A", "Refused calls of reporters A", "Source database D"}
"""What has no series before something fails, or before someone catches up on older rows."""


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    """A service that counts from a source too, with an accepted transmission and a rejected one."""
    clock = FrozenClock()
    source = {"TELEMETRY_SOURCE_DATABASE_URL": sqlite_audit_table(tmp_path).reader_url}
    with (
        LicenseServer(tmp_path / "license-server", clock) as server,
        connected_service(sqlite_url, connection_to(server) | source, clock) as running,
    ):
        send(running, report())
        assert running.call(Scope.ADMIN, "POST", "telemetry/send-now").is_success
        server.trouble(Trouble(before=reply(422)))
        send(running, report())
        assert running.call(Scope.ADMIN, "POST", "telemetry/send-now").is_success
        yield running


def test_prometheus_scrapes_it_shows_it_and_raises_the_alarm(service: Running, tmp_path: Path) -> None:
    target = str(service.client.base_url).removeprefix("http://").rstrip("/")
    with Prometheus(tmp_path, [target], service.tokens[Scope.METRICS]) as prometheus:
        prometheus.wait_for('up{job="control-core-telemetry"} == 1')
        prometheus.wait_for("count_over_time(telemetry_build_info[1m]) >= 2")
        empty = {title for title, query in dashboard_queries().items() if not prometheus.query(query)}
        assert empty == _EMPTY_IN_HEALTH
        firing = prometheus.wait_for('ALERTS{alertname="TelemetryRejected",alertstate="firing"}')
        assert firing[0]["metric"]["severity"] == "warning"


def test_another_scope_is_refused_and_prometheus_says_the_service_is_down(service: Running, tmp_path: Path) -> None:
    target = str(service.client.base_url).removeprefix("http://").rstrip("/")
    with Prometheus(tmp_path, [target], service.tokens[Scope.REPORT]) as prometheus:
        prometheus.wait_for('ALERTS{alertname="TelemetryDown",alertstate="firing"}')

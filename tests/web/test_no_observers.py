"""The framework can export traces where the environment says so. Here nothing does, whatever it says."""

import pytest
from fastapi import FastAPI

from tests.support.running import Running


@pytest.fixture
def asked_to_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4318")


@pytest.mark.usefixtures("asked_to_export")
def test_the_environment_cannot_make_the_service_export_traces(sqlite_url: str) -> None:
    # With the framework's default the start itself would fail or export.
    with Running(sqlite_url) as service:
        assert service.call(None, "GET", "/healthz").status_code == 200
        observers = service.app._telemetry  # noqa: SLF001 - the framework shows it nowhere else
    assert FastAPI()._telemetry["auto_configure"] is True  # noqa: SLF001 - what happens by default
    assert observers["auto_configure"] is False
    assert not any(observers[kind] for kind in ("tracing", "metrics", "logs", "operation_spans"))

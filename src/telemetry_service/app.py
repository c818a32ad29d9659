"""The service's web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from telemetry_service.service import Options, Service, open_service
from telemetry_service.settings import Settings
from telemetry_service.web.application import create_web
from telemetry_service.web.context import WebContext
from telemetry_service.web.metrics.metrics import Metrics


def create_app(settings: Settings, options: Options | None = None) -> FastAPI:
    """Open the service and return its web application; for the errors see ``open_service``."""
    return make_app(open_service(settings, options))


def make_app(service: Service) -> FastAPI:
    """Return the web application of an open service; its lifespan starts and stops the service."""
    metrics = Metrics(service.runtime, service.heartbeat.readiness)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        metrics.events.begin()
        service.start()
        try:
            yield
        finally:
            service.stop()
            metrics.events.end()

    context = WebContext(
        runtime=service.runtime,
        recorder=service.recorder,
        authentication=service.authentication,
        readiness=service.heartbeat.readiness,
        threads=service.threads,
        metrics=metrics,
    )
    return create_web(context, lifespan)

"""Counts and times the requests of one process."""

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry_service.web.errors.log_lines import noted_route
from telemetry_service.web.errors.problem import noted_problem
from telemetry_service.web.http.middleware import http_middleware
from telemetry_service.web.metrics.events import counter
from telemetry_service.web.metrics.names import METRICS, Name

NO_ROUTE = "none"
"""For requests that reach no route: unknown paths, and what is refused before."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds."""

_BROKEN_OFF = "broken_off"
"""The status of a response that never began: its caller had disconnected."""


class RequestCounts:
    """What one process was asked, and how it responded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count into metrics of ``registry``."""
        self._requests = counter(registry, Name.HTTP_REQUESTS)
        self._problems = counter(registry, Name.HTTP_PROBLEMS)
        meaning = METRICS[Name.HTTP_SECONDS]
        self._seconds = Histogram(Name.HTTP_SECONDS, meaning.text, meaning.labels, registry=registry, buckets=_BUCKETS)

    def add(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count a request by its route; a path can contain anything."""
        route = noted_route(scope) or NO_ROUTE
        self._requests.labels(route, _BROKEN_OFF if status is None else str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        code = noted_problem(scope)
        if code is not None:
            self._problems.labels(route, code).inc()


@http_middleware
async def count_requests(app: ASGIApp, scope: Scope, receive: Receive, send: Send, counts: RequestCounts) -> None:
    """Count a request once its response has ended, and how long it took by the monotonic clock."""
    scope.setdefault("state", {})
    began, status = time.monotonic(), None

    async def watch(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        await send(message)

    try:
        await app(scope, receive, watch)
    finally:
        counts.add(scope, status, time.monotonic() - began)

"""Assembles the web application: the routes with their authorization, and the middleware."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from telemetry_service import __version__
from telemetry_service.domain.configuration import Deployment
from telemetry_service.domain.receipts_file import FILE_BYTES
from telemetry_service.web.api import (
    bouncers,
    bundles,
    configuration,
    facts,
    insight,
    ledger,
    operations,
    release,
    restored,
    sessions,
    tokens,
    transmissions,
    usage,
)
from telemetry_service.web.api.openapi import Description
from telemetry_service.web.api.openapi_parts import PROBLEMS
from telemetry_service.web.api.unread import refuse_unread_condition, refuse_unread_parameters
from telemetry_service.web.context import WebContext
from telemetry_service.web.errors.handler import ErrorHandler, ErrorMiddleware
from telemetry_service.web.http.ambiguity import refuse_ambiguity
from telemetry_service.web.http.body_limit import USAGE_BYTES, USUAL_BYTES, limit_body
from telemetry_service.web.http.hosts import check_host
from telemetry_service.web.http.middleware import database_time, head_as_get, request_ids
from telemetry_service.web.http.place import find_place
from telemetry_service.web.metrics.requests import RequestCounts, count_requests
from telemetry_service.web.security.authorization import authorize, check_routes
from telemetry_service.web.security.response_headers import security_headers
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.error_pages import TabErrorPages
from telemetry_service.web.tab.rendering import Pages
from telemetry_service.web.tab.routes import TAB

API_PREFIX = "/api/v1"

_LARGER_BODIES = {
    f"{API_PREFIX}/usage": USAGE_BYTES,
    f"{API_PREFIX}{bouncers.BOUNCERS}": USAGE_BYTES,
    f"{API_PREFIX}{bundles.RECEIPTS}": FILE_BYTES,
    paths.RECEIPTS: FILE_BYTES + USUAL_BYTES,
}
_NO_OBSERVERS: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""The framework would export traces if the environment asks for it: only transmissions leave this process."""

_CLOSED = (Depends(refuse_unread_parameters), Depends(refuse_unread_condition))
"""What each call of the API refuses. Probes, metrics, and pages take any parameter, because monitoring and links in
mails may add some."""

_API = (
    usage,
    bouncers,
    facts,
    configuration,
    insight,
    transmissions,
    release,
    restored,
    bundles,
    ledger,
    tokens,
    sessions,
)


def create_web(context: WebContext, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return the web application.

    Raises:
        UndeclaredRouteError: a route does not say who may call it.
    """
    errors = ErrorHandler(TabErrorPages())
    app = FastAPI(
        title="Control Core telemetry",
        version=__version__,
        description=(
            "Counts usage, shows what would be sent, sends it encrypted and signed, and keeps the history. Every"
            " error is a problem document (RFC 9457) with a stable type. Times are RFC 3339 in UTC."
        ),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # Swagger UI and ReDoc load from a CDN; the description itself is one of our routes, with its authorization.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=list(_routes()),
        lifespan=lifespan,
        middleware=_around(errors, context.runtime.deployment, context.metrics.requests),
        exception_handlers=errors.by_kind(),
        redirect_slashes=False,
        telemetry=_NO_OBSERVERS,
    )
    app.state.context = context
    app.state.description = Description()
    app.state.pages = Pages(context.runtime.deployment)
    check_routes(app)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Return all routes. They are the same in each application of a process."""
    root = APIRouter(
        dependencies=[Depends(authorize)],
        responses=PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
    )
    for topic in _API:
        topic.router.add_to(root, API_PREFIX, _CLOSED)
    for router in (operations.router, *TAB):
        router.add_to(root)
    return tuple(root.routes)


def _around(errors: ErrorHandler, deployment: Deployment, counts: RequestCounts) -> list[Middleware]:
    """Return the middleware, outermost first."""
    public_url = deployment.public_url
    return [
        Middleware(request_ids),
        Middleware(count_requests, counts=counts),
        Middleware(find_place, public_url=public_url, framed=paths.TAB),
        Middleware(security_headers, ancestors=deployment.frame_ancestors, hsts_subdomains=deployment.hsts_subdomains),
        Middleware(ErrorMiddleware, handler=errors),
        Middleware(refuse_ambiguity),
        Middleware(check_host, public_url=public_url),
        Middleware(head_as_get),
        Middleware(limit_body, larger=_LARGER_BODIES),
        Middleware(database_time),
    ]

"""What every route works with. ``app.py`` makes it once; routes find it in the application's state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from telemetry_service.domain.readiness import Readiness
from telemetry_service.identity.authentication import Authentication
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.web.http.pools import Pools
from telemetry_service.web.metrics.metrics import Metrics


@dataclass(frozen=True, slots=True)
class WebContext:
    """The runtime, recorder, authentication, readiness and threads as they are known, metrics, and pools of threads."""

    runtime: Runtime
    recorder: Recorder
    authentication: Authentication
    readiness: Callable[[], Readiness]
    """Responds at once, from memory."""
    threads: Callable[[], dict[str, bool]]
    """The threads that must be alive, and whether they are."""
    metrics: Metrics
    pools: Pools = field(default_factory=Pools)


async def context_of(request: Request) -> WebContext:
    """Return the application's context."""
    context: WebContext = request.app.state.context
    return context


Context = Annotated[WebContext, Depends(context_of)]
"""A route's parameter for the context."""

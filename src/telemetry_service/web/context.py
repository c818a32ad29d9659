"""What every route works with. Made once, in ``app.py``, and found through the application's state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from telemetry_service.access.entrance import Entrance
from telemetry_service.domain.readiness import Readiness
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.record import Recorder
from telemetry_service.web.metrics import Metrics
from telemetry_service.web.pools import Pools


@dataclass(frozen=True, slots=True)
class WebContext:
    """The installation, recorder, entrance, readiness and threads as they are known, metrics, and pools of threads."""

    installation: Installation
    recorder: Recorder
    entrance: Entrance
    readiness: Callable[[], Readiness]
    """Answers at once, from memory."""
    threads: Callable[[], dict[str, bool]]
    """Which threads must live, and whether they do."""
    metrics: Metrics
    pools: Pools = field(default_factory=Pools)


async def context_of(request: Request) -> WebContext:
    """Return the application's context."""
    context: WebContext = request.app.state.context
    return context


Context = Annotated[WebContext, Depends(context_of)]
"""A parameter of a route that works with the installation."""

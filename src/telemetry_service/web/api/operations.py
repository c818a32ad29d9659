"""For those who run the service: is it alive, is it ready, its metrics, and the description of the API."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from telemetry_service.identity.scopes import Scope
from telemetry_service.schemas.base import ResponseModel
from telemetry_service.web.api.openapi import Description
from telemetry_service.web.context import Context
from telemetry_service.web.metrics import CONTENT_TYPE
from telemetry_service.web.security.authorization import needs, public

router = APIRouter(tags=["operations"])


class AliveResponse(ResponseModel):
    """The process responds, and its threads are running."""

    status: Literal["alive", "thread-ended"]
    ended_threads: list[str]
    """Required threads that have ended. Only a restart brings them back."""


class ReadinessResponse(ResponseModel):
    """Whether the service can do its work, and if not, which part fails."""

    ready: bool
    database: bool
    """The schema exists, and the last write reached the disk."""
    scheduler: bool
    """The scheduler ran within the last minute."""
    last_waking_age_seconds: float | None
    """Seconds since the scheduler last ran; null before its first run."""
    last_heartbeat_age_seconds: float | None
    """Seconds since the last heartbeat was written; null before the first. Above 60 the service is not ready."""


@router.get("/healthz", response_model=AliveResponse, responses={503: {"model": AliveResponse}})
@public
async def get_healthz(context: Context) -> Response:
    """Report that the process responds and that its threads are running."""
    ended = [name for name, lives in context.threads().items() if not lives]
    answer = AliveResponse(status="thread-ended" if ended else "alive", ended_threads=ended)
    return JSONResponse(answer.model_dump(), 503 if ended else 200)


@router.get("/readyz", response_model=ReadinessResponse, responses={503: {"model": ReadinessResponse}})
@public
async def get_readyz(context: Context) -> Response:
    """Report whether the service can do its work.

    It can if the scheduler runs and the database is writable. Trouble at the License Server does not matter. The
    response comes from memory and never waits for other requests.
    """
    answer = ReadinessResponse.model_validate(context.readiness())
    return JSONResponse(answer.model_dump(), 200 if answer.ready else 503)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
@needs(Scope.READ)
def get_metrics(context: Context) -> Response:
    """Return the metrics in Prometheus format."""
    return Response(context.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/api/v1/openapi.json", include_in_schema=False)
@public
async def get_openapi(request: Request) -> Response:
    """Return the description of this API (OpenAPI 3.1)."""
    description: Description = request.app.state.description
    return Response(await description.of(request.app), media_type="application/json")

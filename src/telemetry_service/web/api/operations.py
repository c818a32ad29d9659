"""For those who run the service: is it alive, is it ready, its metrics, and the description of the API."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict

from telemetry_service.identity.scopes import Scope
from telemetry_service.web.api.openapi import Description
from telemetry_service.web.api.schemas.base import ResponseModel
from telemetry_service.web.context import Context
from telemetry_service.web.metrics import CONTENT_TYPE
from telemetry_service.web.security.authorization import needs, public

router = APIRouter(tags=["operations"])


class AliveResponse(ResponseModel):
    """The process answers, and its threads live."""

    status: Literal["alive", "thread-ended"]
    ended_threads: list[str]
    """Threads that must live as long as the process, and have ended. Only a restart brings them back."""


class ReadinessResponse(ResponseModel):
    """Whether the service can do its work, and which part of it cannot."""

    model_config = ConfigDict(from_attributes=True)

    ready: bool
    database: bool
    """Its schema is there, and what the service wrote last reached the disk."""
    scheduler: bool
    """The service woke within the last minute."""
    last_waking_age_seconds: float | None
    """Since the service woke; null before it first did."""
    last_heartbeat_age_seconds: float | None
    """Since a heartbeat was committed; null before the first. Beyond a minute the service is not ready."""


@router.get("/healthz", response_model=AliveResponse, responses={503: {"model": AliveResponse}})
@public
async def get_healthz(context: Context) -> Response:
    """Say that the process answers and that its threads live."""
    ended = [name for name, lives in context.threads().items() if not lives]
    answer = AliveResponse(status="thread-ended" if ended else "alive", ended_threads=ended)
    return JSONResponse(answer.model_dump(), 503 if ended else 200)


@router.get("/readyz", response_model=ReadinessResponse, responses={503: {"model": ReadinessResponse}})
@public
async def get_readyz(context: Context) -> Response:
    """Say whether the service can do its work: it wakes and can write. A License Server in trouble changes nothing.

    The answer comes from memory, so that it waits for nothing that another request waits for.
    """
    answer = ReadinessResponse.model_validate(context.readiness())
    return JSONResponse(answer.model_dump(), 200 if answer.ready else 503)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
@needs(Scope.READ)
def get_metrics(context: Context) -> Response:
    """Return the metrics as Prometheus reads them."""
    return Response(context.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/api/v1/openapi.json", include_in_schema=False)
@public
async def get_openapi(request: Request) -> Response:
    """Return the description of this API (OpenAPI 3.1)."""
    description: Description = request.app.state.description
    return Response(await description.of(request.app), media_type="application/json")

"""For those who run the service: is it alive, is it ready, its metrics, and the description of the API."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from telemetry_service.access.scopes import Scope
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.web.api.description import Description
from telemetry_service.web.api.moment import Answer
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.gate import needs, public
from telemetry_service.web.metrics import CONTENT_TYPE

router = APIRouter(tags=["operations"])


class AliveAnswer(Answer):
    """The process answers."""

    status: str = "alive"


class ReadinessAnswer(Answer):
    """Whether the service can do its work, and which part of it cannot."""

    ready: bool
    database: bool
    """It answers, and its schema is there."""
    scheduler: bool


@router.get("/healthz")
@public
async def get_healthz() -> AliveAnswer:
    """Say that the process is alive."""
    return AliveAnswer()


@router.get("/readyz", response_model=ReadinessAnswer, responses={503: {"model": ReadinessAnswer}})
@public
def get_readyz(context: Context) -> Response:
    """Say whether the service can do its work. A License Server in trouble does not make it unready."""
    database, scheduler = _database_answers(context), context.scheduler_running()
    answer = ReadinessAnswer(ready=database and scheduler, database=database, scheduler=scheduler)
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


def _database_answers(context: WebContext) -> bool:
    try:
        context.installation.database.check()
    except TelemetryError:
        return False
    return True
